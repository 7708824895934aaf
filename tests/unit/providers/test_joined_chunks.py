"""Chunks that came together are one piece of an answer, and everything else is as h11 reads it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import h11
import pytest
from h11._readers import ChunkedReader

from agent.providers.joined_chunks import JoinedChunks, join_chunks, readers

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
WRONG = (
    b"x\r\n",
    b"5\r\nabcdeXX",
    b"-5\r\n",
    b"0x5\r\nabcde\r\n",
    b"5_0\r\n",
    b" 5\r\nabcde\r\n",
    b"\r\n\r\n",
    b"5\nabcde\r\n",
)


def _read(reader: type[ChunkedReader], pieces: Sequence[bytes], *, closes: bool) -> tuple[bytes, list[int], str]:
    """The body, how long its pieces were, and how it ended."""
    before = readers()["chunked"]
    readers()["chunked"] = reader
    try:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
        connection.send(h11.EndOfMessage())
        body: list[bytes] = []
        for piece in [HEAD, *pieces, *([b""] if closes else [])]:
            connection.receive_data(piece)
            try:
                for event in _events(connection):
                    if isinstance(event, h11.Data):
                        body.append(bytes(event.data))
                    elif isinstance(event, h11.EndOfMessage):
                        return b"".join(body), list(map(len, body)), f"ends {list(event.headers)}"
            except h11.RemoteProtocolError as error:
                return b"".join(body), list(map(len, body)), str(error)
        return b"".join(body), list(map(len, body)), "waits"
    finally:
        readers()["chunked"] = before


def _events(connection: h11.Connection) -> Iterator[object]:
    while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        yield event


def _answer(dice: random.Random) -> bytes:
    sizes = [dice.choice([1, 2, 15, 16, 640, 5_000]) for _ in range(dice.randrange(12))]
    chunks = [
        f"{size:{dice.choice('xX')}}".zfill(dice.choice([0, 0, 6, 12])).encode()
        + dice.choice([b"", b"", b"", b";name=value", b"  "])
        + b"\r\n" + dice.randbytes(size) + b"\r\n"
        for size in sizes
    ]  # fmt: skip
    if dice.random() < 0.3:
        chunks.insert(dice.randrange(len(chunks) + 1), dice.choice(WRONG))
    end = dice.choice([b"0\r\n\r\n", b"0\r\nname: value\r\n\r\n", b"000\r\n\r\n", b""])
    return b"".join(chunks) + end


def _pieces(dice: random.Random, answer: bytes) -> list[bytes]:
    cuts = sorted(dice.randrange(len(answer) + 1) for _ in range(dice.choice([0, 1, 3, 30])))
    pieces = [answer[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    return [piece for piece in pieces if piece]


def test_body_and_end_are_those_that_h11_reads() -> None:
    ends: set[str] = set()
    for seed in range(3_000):
        dice = random.Random(seed)
        pieces, closes = _pieces(dice, _answer(dice)), dice.random() < 0.5
        body, _, end = _read(ChunkedReader, pieces, closes=closes)
        joined, _, joined_end = _read(JoinedChunks, pieces, closes=closes)
        assert (joined, joined_end) == (body, end), seed
        ends.add(end.split(" ")[0])
    assert ends >= {"ends", "waits", "illegal", "malformed", "peer"}


def test_chunks_that_came_together_are_one_piece_however_the_first_and_the_last_are_cut() -> None:
    chunks = b"".join(b"280\r\n" + bytes([number]) * 640 + b"\r\n" for number in range(10))
    body, lengths, end = _read(JoinedChunks, [chunks[:100], chunks[100:-1], chunks[-1:] + b"0\r\n\r\n"], closes=False)
    assert (len(body), end) == (6_400, "ends []")
    assert lengths == [95, 545, 8 * 640, 640]


def test_it_is_what_h11_reads_with_once_it_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(readers(), "chunked", ChunkedReader)
    join_chunks()
    assert readers()["chunked"] is JoinedChunks
