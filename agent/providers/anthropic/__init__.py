"""Claude through the official SDK."""
