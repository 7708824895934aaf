"""Wire emulators of the providers, for development, tests and demos; imports nothing of the rest of agent."""
