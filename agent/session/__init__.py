"""One voice session: its token, its socket, its messages, its life and its end."""
