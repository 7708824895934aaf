"""Recognises speech by matching it against a library of known clips; its only input is audio."""
