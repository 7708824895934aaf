"""The command line: one file per command; `views/` holds what is printed."""
