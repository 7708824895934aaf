"""Reading HTTP answers that come in many small chunks: those that are there are taken as one.

A voice sends its speech in chunks of some 20 ms, each of which h11 tells as an event of its own. Every event walks
through six generators of httpx and the SDK, and costs 50 µs: more than all that is done with the speech afterwards.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

import h11
from h11._readers import READERS, ChunkedReader  # its readers have no public place; its version is pinned
from h11._receivebuffer import ReceiveBuffer

_BEGIN: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")  # of a chunk without extensions
_END: Final = b"\r\n"


class JoinedChunks(ChunkedReader):
    """h11's reader, except for whole chunks of the usual form: all that have come are one event.

    What is unfinished, unusual, wrong or the end of the answer is h11's to read, after what came before it.
    """

    def __call__(self, buf: ReceiveBuffer) -> h11.Data | h11.EndOfMessage | None:
        """The next event; None until more has come. Raises h11's LocalProtocolError."""
        if not self._bytes_in_chunk and not self._reading_trailer and (body := self._whole_chunks(buf)):
            return h11.Data(data=body, chunk_start=True, chunk_end=True)
        return super().__call__(buf)

    def _whole_chunks(self, buf: ReceiveBuffer) -> bytes:
        data: bytearray = buf._data  # pyright: ignore[reportPrivateUsage]
        place = len(self._bytes_to_discard)  # what is left of the end of the chunk before
        if not data.startswith(self._bytes_to_discard):
            return b""
        parts: list[bytearray] = []
        while (begin := _BEGIN.match(data, place)) is not None:
            first = begin.end()
            last = first + int(begin[1], 16)
            if first == last or not data.startswith(_END, last):
                break
            parts.append(data[first:last])
            place = last + 2
        if parts:
            self._bytes_to_discard = b""
            buf._extract(place)  # pyright: ignore[reportPrivateUsage]
        return b"".join(parts)


def readers() -> dict[str, Any]:
    """h11's readers of bodies, by how a body is framed: `chunked` and others."""
    return cast("dict[str, Any]", READERS[h11.SEND_BODY])


def join_chunks() -> None:
    """From now on h11 reads so, in this process."""
    readers()["chunked"] = JoinedChunks
