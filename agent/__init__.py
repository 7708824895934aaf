"""A voice agent you can operate."""
