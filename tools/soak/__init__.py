"""`make soak`: hours of calls, and whether the process stays as large as it was."""
