"""Service, sandbox, Prometheus and Alertmanager as processes of this machine."""
