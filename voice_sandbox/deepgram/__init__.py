"""Deepgram's listen APIs (v1 and v2), simulated."""
