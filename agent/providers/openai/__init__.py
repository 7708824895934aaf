"""The OpenAI protocol: speech to text on segments, and text to speech."""
