"""The recording rules: what boards, alerts and the decider read."""
