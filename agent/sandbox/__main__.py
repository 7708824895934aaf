"""`python -m agent.sandbox` runs the simulated providers."""

from agent.sandbox.server import sandbox

if __name__ == "__main__":
    sandbox(prog_name="python -m agent.sandbox")
