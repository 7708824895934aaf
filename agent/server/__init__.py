"""The process: wiring, lifetime, drain, event loop lag."""
