"""How a call reaches the service: tokens, the send queue, and one package per protocol."""
