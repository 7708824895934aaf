"""The Messages API, simulated."""
