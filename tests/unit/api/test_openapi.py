"""The HTTP API is described by a document, which operators get and nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from agent.api.agent_versions import Promoting, Trying
from agent.api.operator import Reasoned
from agent.api.policies import Assigning
from agent.cli.schemas import openapi_document
from agent.server.app import create_app
from agent.settings import Settings

TOKEN = "operator-token-of-32-characters-!"


def asking(folder: Path, token: str | None) -> httpx.AsyncClient:
    given: dict[str, Any] = {
        "_env_file": None,
        "sandbox_url": "http://127.0.0.1:9",
        "database_url": f"sqlite+aiosqlite:///{folder}/ledger.db",
        "operator_token": token,
    }
    transport = httpx.ASGITransport(app=create_app(Settings(**given)).state["operations_app"])  # pyright: ignore[reportArgumentType]
    return httpx.AsyncClient(transport=transport, base_url="http://voice.example")


async def test_operators_get_the_document_that_the_command_writes(tmp_path: Path) -> None:
    async with asking(tmp_path, TOKEN) as client:
        answer = await client.get("/v1/ops/schema/openapi.json", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    served, written = answer.json(), json.loads(openapi_document())
    assert served["paths"].items() <= written["paths"].items()
    assert "/v1/ops/policies" in served["paths"]
    assert served["info"] == written["info"]


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 401), (None, 403)])
@pytest.mark.parametrize("path", ["/v1/ops/schema/openapi.json", "/v1/ops/schema", "/v1/ops/schema/other"])
async def test_nobody_else_gets_it(tmp_path: Path, token: str | None, status: int, path: str) -> None:
    async with asking(tmp_path, token) as client:
        assert (await client.get(path)).status_code == status


def test_every_operation_is_named_and_operators_routes_say_what_they_need() -> None:
    paths: dict[str, Any] = json.loads(openapi_document())["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["summary"], path
            secured = operation.get("security")
            expected = "alertmanager" if path == "/v1/ops/alerts" else "operator"
            assert secured == ([{expected: []}] if path.startswith("/v1/ops/") else None), path
    assert {"/v1/sessions", "/metrics", "/health/ready", "/v1/ops/policies"} <= paths.keys()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/ops/policies/{tier}/assign", Assigning),
        ("/v1/ops/policies/{tier}/rollback", Reasoned),
        ("/v1/ops/decisions/{decision_id}/undo", Reasoned),
        ("/v1/ops/agents/{agent}/canary", Trying),
        ("/v1/ops/agents/{agent}/promote", Promoting),
        ("/v1/ops/agents/{agent}/rollback", Reasoned),
    ],
)
def test_a_body_is_described_as_it_is_read(path: str, body: type[msgspec.Struct]) -> None:
    described = json.loads(openapi_document())["paths"][path]["post"]["requestBody"]
    schema = described["content"]["application/json"]["schema"]
    fields = msgspec.structs.fields(body)
    assert schema["properties"].keys() == {field.encode_name for field in fields}
    assert schema.get("required", []) == [field.encode_name for field in fields if field.required]
    assert schema["additionalProperties"] is False
