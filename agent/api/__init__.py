"""Every HTTP route: sessions, policies, decisions, alert webhook, health, metrics, the talk page."""
