"""The simulated model's mind: a receptionist with a small, declared dialogue."""
