"""What the commands print: tables and pictures for a terminal, from plain data."""
