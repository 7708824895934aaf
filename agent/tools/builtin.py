"""The tools that every agent can have: they act on the call itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import Field

from agent.tools.tool import ToolContext


async def end_call(call: ToolContext) -> str:
    """End the call. Use it when the caller says goodbye or wants nothing more, and then say goodbye."""
    call.actions.end_call()
    return "The call ends after your next sentence. Say goodbye."


async def transfer_to_human(
    call: ToolContext,
    summary: Annotated[str, Field(max_length=500, description="What the person should know, in one or two sentences.")],
) -> str:
    """Hand the caller over to a person. Use it when the caller asks for one, or you cannot help."""
    call.actions.transfer(summary)
    return "A person is being called. Tell the caller so in one short sentence."


async def send_text(
    call: ToolContext, text: Annotated[str, Field(max_length=500, description="What the caller should see.")]
) -> str:
    """Show the caller a short text, such as a reference, an address or a link."""
    call.actions.show_text(text)
    return "The caller sees it now."


async def take_note(
    call: ToolContext,
    note: Annotated[str, Field(min_length=1, max_length=200, description="One fact, in the caller's own words.")],
) -> str:
    """Write down what you need later in this call: a wish, a name, a number, something that was promised."""
    call.actions.take_note(note)
    return "Noted. Go on without mentioning it."


BUILT_IN: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {one.__name__: one for one in (end_call, transfer_to_human, send_text, take_note)}
)
