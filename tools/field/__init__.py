"""What providers and callers really do, as public reports describe it, and what becomes of it here."""
