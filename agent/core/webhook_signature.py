"""The signature of a webhook: `t=UNIX_SECONDS,v1=HEX`, HMAC-SHA256 over `UNIX_SECONDS.BODY`."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

HEADER: Final = "voice-agent-signature"
TOLERANCE_S: Final = 300.0


def sign(secret: str, body: bytes, at: float) -> str:
    """The value of `HEADER` for a body that is sent at `at` (Unix seconds)."""
    stamp = str(int(at))
    return f"t={stamp},v1={_digest(secret, stamp, body)}"


def verify(secret: str, body: bytes, header: str, now: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether a body was signed with this secret, and not longer ago than `tolerance_s`."""
    parts = {name: value for name, _, value in (part.partition("=") for part in header.split(","))}
    stamp, given = parts.get("t", ""), parts.get("v1", "")
    if not stamp.isdecimal() or len(stamp) > 12 or abs(now - int(stamp)) > tolerance_s:
        return False
    return hmac.compare_digest(_digest(secret, stamp, body).encode(), given.encode())


def _digest(secret: str, stamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
