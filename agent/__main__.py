"""`python -m agent` is `voice-agent`."""

from agent.cli import main

main()
