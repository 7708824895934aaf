"""`python -m voice_sandbox` runs the simulated providers."""

from voice_sandbox.server import sandbox

if __name__ == "__main__":
    sandbox(prog_name="python -m voice_sandbox")
