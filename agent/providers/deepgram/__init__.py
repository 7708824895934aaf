"""Deepgram's streaming recognisers, Flux and Nova, through the official SDK."""
