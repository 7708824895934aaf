"""Credentials of callers: session tokens and memberships. The HTTP API issues them, the transports verify them."""
