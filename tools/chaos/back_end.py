"""The tool of the chaos matrix: it asks the sandbox's back end over HTTP, and believes what comes."""

from __future__ import annotations

from typing import Any, Final

import httpx

from agent.tools.tool import ToolContext

BACK_ENDS: Final[dict[str, str]] = {}
"""Session → the address of its sandbox: several stacks run in one process."""


async def check_availability(call: ToolContext, location: str, day: str) -> Any:
    """Which rooms are free at a location on a day."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{BACK_ENDS[call.session_id]}/back-end/v1/rooms",
            json={"location": location, "day": day},
            headers={"x-client-session": call.session_id},
        )
    return answer.raise_for_status().json()
