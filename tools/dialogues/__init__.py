"""Plays the calls of tests/dialogues/corpus.toml on the whole stack, and measures turns with tools."""
