"""A frame is one that a server reads, and no key is used twice."""

from __future__ import annotations

import pytest
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from agent.providers.deepgram.frames import MaskingKeys, binary_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 640, 3_200, 65_535])
def test_a_server_reads_what_was_sent(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    server = ServerProtocol(state=OPEN, max_size=None)
    server.receive_data(binary_frame(data) + binary_frame(b"next"))
    first, second = server.events_received()
    for frame, sent in ((first, data), (second, b"next")):
        assert (getattr(frame, "opcode", None), getattr(frame, "fin", None)) == (Opcode.BINARY, True)
        assert bytes(getattr(frame, "data", b"")) == sent


def test_every_frame_has_a_key_of_its_own() -> None:
    keys = MaskingKeys()
    drawn = [keys.next() for _ in range(3_000)]
    assert {len(key) for key in drawn} == {4}
    assert len(set(drawn)) > 2_995, "of so many random ones hardly two are alike"
    assert binary_frame(bytes(640)) != binary_frame(bytes(640))
