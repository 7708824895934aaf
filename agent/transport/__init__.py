"""How a call reaches the service: the send queue, and one package per protocol."""
