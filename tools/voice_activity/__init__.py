"""Compares voice activity detectors on noisy speech."""
