"""Agents as data: what one is called, says, asks for and may do, read from TOML files."""
