"""ElevenLabs' voices through the official SDK."""
