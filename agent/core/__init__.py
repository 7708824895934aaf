"""What everybody may know: audio, the clock, the error tree, calls and their usage."""
