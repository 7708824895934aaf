"""What an agent can do in a turn: tools, their rules, and how they run."""
