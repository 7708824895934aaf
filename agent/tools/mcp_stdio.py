"""Speaks MCP with a program on its standard input and output: one JSON-RPC message a line, of bounded length.

The SDK's own transport keeps a line in memory however long it gets, and ends on half a character. Here a line that is
too long or no message is not taken, and counted; where it can be seen whose answer it was, that call fails at once, and
no other. A line that never ends ends the connection.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.tools.outside import OutsideError

if TYPE_CHECKING:
    from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream
    from mcp.shared.memory import MessageStream
    from mcp.shared.message import SessionMessage

    FromSession = ContextReceiveStream[SessionMessage | Exception]
    ToSession = ContextSendStream[SessionMessage | Exception]

LINE_LIMIT: Final = 1_000_000
"""Bytes of one message at most."""
ENDLESS: Final = 16 * LINE_LIMIT
"""Bytes of a line after which it is not waited for its end."""
NOT_TAKEN: Final = -32_099
"""The code of the error that a call gets whose answer was not taken; its `data` is the reason."""
INHERITED: Final = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
"""What a program gets of our environment, as the SDK has it."""
GOES_BY_ITSELF_S: Final = 2.0
"""How long a program has to end when its input ended, and again after SIGTERM."""
LOOK_S: Final = 0.25
"""A program is looked at so often: it may have ended."""
_HEAD: Final = 500
_ID: Final = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*[,}]')

Note = Callable[[str], None]
"""Is told why a message was not taken: `too_large` or `malformed`."""


@asynccontextmanager
async def stdio_streams(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, note: Note
) -> AsyncGenerator[MessageStream]:
    """A running program as the streams that the SDK takes for a transport; it has ended when the block is left.

    What it writes to its standard error is not read. Raises OSError where it cannot be started.
    """
    from mcp.shared.memory import create_client_server_memory_streams

    given = {name: value for name in INHERITED if (value := os.environ.get(name)) is not None}
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**given, **environment},
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        limit=LINE_LIMIT,
    )
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise OutsideError("connection")  # pipes were asked for
    async with create_client_server_memory_streams() as (of_session, (from_session, to_session)):
        tasks = [
            asyncio.create_task(_read(stdout, to_session, note), name="mcp reads"),
            asyncio.create_task(_write(stdin, from_session, to_session), name="mcp writes"),
            asyncio.create_task(_watch(process, to_session), name="mcp watches"),
        ]
        try:
            yield of_session
        finally:
            await _end(process, tasks)


async def _end(process: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    ending = asyncio.ensure_future(_ended(process, tasks))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await ending  # it is bounded, and nobody else ends the program
        raise


async def _ended(process: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Ends a program: by the end of its input, then by signals to all that it has started."""
    await asyncio.gather(*tasks, return_exceptions=True)  # what streams raise that the session has closed is no news
    if process.stdin is not None:
        process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if await _gone(process):
            break
        _signal(process, number)
    else:
        await _gone(process)
    transport: Any = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()  # what outlived it may hold the pipes


async def _gone(process: asyncio.subprocess.Process) -> bool:
    """Whether it ends in time. What it still writes is thrown away: who waits for a reader does not end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GOES_BY_ITSELF_S):
            while process.stdout is not None and await process.stdout.read(65_536):
                pass
            await process.wait()
    return process.returncode is not None


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _watch(process: asyncio.subprocess.Process, session: ToSession) -> None:
    """Tells the session when the program has ended, although what it has started holds its output open."""
    while process.returncode is None:  # noqa: ASYNC110  `wait` waits for the pipes, too
        await asyncio.sleep(LOOK_S)
    _signal(process, signal.SIGKILL)  # its group, which nobody else ends
    await asyncio.sleep(LOOK_S)  # what it said last is read
    session.close()


async def _write(stdin: asyncio.StreamWriter, messages: FromSession, session: ToSession) -> None:
    """Writes what the session says; the session is told when nobody reads it any more."""
    try:
        async for one in messages:
            if isinstance(one, Exception):
                continue  # the type of the streams has them; a session says none
            stdin.write(one.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await stdin.drain()
    except OSError:
        session.close()


async def _read(stdout: asyncio.StreamReader, session: ToSession, note: Note) -> None:
    """Reads messages until the program closes its output; the session then knows that it is over."""
    from mcp.shared.message import SessionMessage
    from mcp.types import jsonrpc_message_adapter

    async with session:
        while (line := await _line(stdout, note)) is not None:
            head, whole = line
            try:
                message = None if whole is None else jsonrpc_message_adapter.validate_json(whole, by_name=False)
            except ValueError:
                message = None
            if message is not None:
                await session.send(SessionMessage(message))
            elif head.strip():
                note(reason := "too_large" if whole is None else "malformed")
                if (failed := _failed(head, reason)) is not None:
                    await session.send(failed)


async def _line(stdout: asyncio.StreamReader, note: Note) -> tuple[bytes, bytes | None] | None:
    """The beginning of the next line, and the whole of it, or None where it is too long; None at the end.

    Raises OutsideError for a line that does not end.
    """
    head, skipped = b"", 0
    while True:
        try:
            line = await stdout.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return None  # the rest of a line is no message
        except asyncio.LimitOverrunError as over:
            piece = await stdout.readexactly(over.consumed)
            head, skipped = head or piece[:_HEAD], skipped + len(piece)
            if skipped > ENDLESS:
                note("too_large")
                raise OutsideError("too_large") from None
        else:
            return (head, None) if skipped else (line[:_HEAD], line)


def _failed(head: bytes, reason: str) -> SessionMessage | None:
    """The failure of the call whose answer this line was; None where that cannot be seen."""
    from mcp.shared.message import SessionMessage
    from mcp.types import ErrorData, JSONRPCError

    found = _ID.search(head)
    if found is None or b'"method"' in head:
        return None
    error = ErrorData(code=NOT_TAKEN, message="the answer was not taken", data=reason)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=error))
