"""Ports for programs that a stack, a test or a bench starts."""

from __future__ import annotations

import secrets
import socket
from typing import Final

FIRST: Final = 20_000
"""Ports from here to 31,999 are chosen: systems take those of their own connections from 32,768 (Linux) or 49,152
upwards, and a connection could take the port between its choice and the start of its program."""
COUNT: Final = 12_000


def free_ports(count: int) -> list[int]:
    """`count` different ports of the loopback interface that nobody listens on."""
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            held.append(socket.socket())
            try:
                held[-1].bind(("127.0.0.1", FIRST + secrets.randbelow(COUNT)))
            except OSError:
                held.pop().close()
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    return free_ports(1)[0]
