"""The talk page and its JavaScript client."""
