"""Speech to text, language models and text to speech, each behind a protocol of base.py."""
