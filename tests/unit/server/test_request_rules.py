"""Requests that a proxy and the service could understand differently are refused before anybody reads them."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.raw_server import UPGRADE, raw_server

POST = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
TWO = b"Authorization: Bearer one\r\nauthorization: Bearer two\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (POST + TWO, 400),
        (UPGRADE + TWO, 400),
        (POST + b"Expect: 200-maybe\r\n", 417),
        (UPGRADE + b"Expect: 200-maybe\r\n", 417),
        (POST + b"Expect: 100-continue, 200-maybe\r\n", 417),
    ],
)
async def test_what_two_readers_could_read_differently_is_refused(head: bytes, status: int) -> None:
    async with raw_server() as at:
        reader, writer = await at.connect()
        writer.write(head + b"\r\n")
        async with asyncio.timeout(5):
            answer, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"application/problem+json" in answer
        assert json.loads(body)["status"] == status
        writer.close()
        await asyncio.sleep(0.01)
        assert at.gate.open == 0


@pytest.mark.parametrize("head", [b"Authorization: Bearer one\r\n", b"Expect: 100-Continue\r\n"])
async def test_one_of_each_is_read(head: bytes) -> None:
    async with raw_server() as at:
        reader, writer = await at.connect()
        writer.write(POST + head + b"Connection: close\r\n\r\n")
        async with asyncio.timeout(5):
            assert b"HTTP/1.1 200 " in await reader.read()
        writer.close()
