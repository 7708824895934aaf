"""`python -m agent` is `voice-agent`."""

from agent.cli.main import main

main()
