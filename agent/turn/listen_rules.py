"""How a listener treats the caller's audio: how much goes up together, how much is kept, and when it stops."""

from __future__ import annotations

from typing import Final

from agent.core.audio import bytes_for

COALESCE_VOICE: Final = bytes_for(0.04)  # sent up together while somebody speaks: half of it is latency
COALESCE_SILENCE: Final = bytes_for(0.10)
AFTER_VOICE_S: Final = 1.5  # silence that decides the end of a turn is sent as promptly as speech
FLUSH_S: Final = 0.12  # what is left over goes up after this, also when no further frame comes; frames come first
SOON_S: Final = 0.001  # what is due within this is due now: a timer of a rounding error is one that never ends
PRE_ROLL_BYTES: Final = bytes_for(1.0)  # audio kept while no stream is open
MAX_PENDING: Final = bytes_for(5.0)  # audio that waits for a slow recogniser; older audio is dropped and counted
MAX_EVENTS: Final = 256
REOPEN_S: Final = 0.5  # between two attempts to open a stream that failed; doubles until words come
LONGEST_REOPEN_S: Final = 15.0
OUTAGE_LOOK_S: Final = 0.5  # how often it is seen whether anybody serves again: nobody is asked for that
STOPPED_S: Final = 1.0  # without a frame until silence is sent in its place; a bad line holds back for less
LONGEST_HOLD_S: Final = 6.0  # for the rest of a number, from the end of its first part
GONE_S: Final = 6.0  # without a frame until the stream is finished
