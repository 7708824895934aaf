"""What is measured, declared once: the catalog of metrics, one timeline per turn, and the sinks that read it."""
