"""What the vendors tell of an account: ElevenLabs' characters and Deepgram's balance. Always plenty."""

from __future__ import annotations

from typing import Any

from litestar import get

from voice_sandbox.http_response import AnyRequest


@get("/v1/user/subscription")
async def subscription() -> dict[str, Any]:
    """ElevenLabs' plan of the key."""
    return {"tier": "creator", "character_count": 1_000, "character_limit": 100_000, "status": "active"}


@get("/v1/projects")
async def projects() -> dict[str, Any]:
    """Deepgram's projects of the key."""
    return {"projects": [{"project_id": "sandbox", "name": "sandbox"}]}


@get("/v1/projects/{project_id:str}/balances")
async def balances(request: AnyRequest) -> dict[str, Any]:
    """What is left of a project's credit."""
    return {
        "balances": [
            {"balance_id": request.path_params["project_id"], "amount": 199.5, "units": "usd", "purchase_order_id": ""}
        ]
    }
