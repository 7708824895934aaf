"""What the person on call and the platform talk to: health, readiness, metrics."""
