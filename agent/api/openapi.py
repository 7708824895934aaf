"""The OpenAPI document of the HTTP API, served to operators under `/v1/ops/schema/openapi.json`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from pydantic import SecretStr

from agent.api.auth import check_bearer
from agent.settings import PREFIX

PATH: Final = "/v1/ops/schema"
OPERATOR: Final = "operator"
ALERTMANAGER: Final = "alertmanager"


def openapi_config(operator_token: SecretStr | None) -> OpenAPIConfig:
    """What Litestar makes the document with. Without an operator token the route is switched off."""

    def operators_only(request: Any, _handler: Any) -> None:
        check_bearer(request.headers.get("authorization"), operator_token, f"{PREFIX}OPERATOR_TOKEN")

    schemes: dict[str, SecurityScheme | Reference] = {
        name: SecurityScheme(type="http", scheme="bearer", description=f"{PREFIX}{setting}")
        for name, setting in ((OPERATOR, "OPERATOR_TOKEN"), (ALERTMANAGER, "ALERTS_TOKEN"))
    }
    return OpenAPIConfig(
        title="Voice agent: HTTP API",
        version=version("voice-agent"),
        description="Sessions, operations and health. The WebSocket of a session is in the AsyncAPI document.",
        components=Components(security_schemes=schemes),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        openapi_router=Router(PATH, route_handlers=[], guards=[operators_only], include_in_schema=False),
    )


def takes(body: type[msgspec.Struct]) -> type[Operation]:
    """The operation of a route that reads its JSON body itself: says what that body holds."""
    _, components = msgspec.json.schema_components((body,), ref_template="#/{name}")
    described = components[body.__name__]

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            content = {"application/json": OpenAPIMediaType(schema=_schema(described))}
            self.request_body = RequestBody(content=content, required=bool(described.get("required")))

    return WithBody


def _schema(described: dict[str, Any]) -> Schema:
    """One JSON schema of msgspec as Litestar's own type: of flat structs, which all bodies are."""
    more = described.get("additionalProperties")
    return Schema(
        title=described.get("title"),
        description=described.get("description"),
        type=described.get("type"),
        default=described.get("default"),
        properties={name: _schema(value) for name, value in described.get("properties", {}).items()} or None,
        required=described.get("required") or None,
        minimum=described.get("minimum"),
        maximum=described.get("maximum"),
        additional_properties=_schema(more) if isinstance(more, dict) else more,
    )
