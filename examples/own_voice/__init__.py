"""Examples of use; each is run by a test."""
