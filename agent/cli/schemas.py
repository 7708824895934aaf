"""`voice-agent openapi` and `voice-agent asyncapi`: what the service speaks, for other people's tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

_out = click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead."
)


def openapi_document() -> str:
    """The OpenAPI document of both listeners as JSON. It needs no settings and starts nothing."""
    from agent.server.app import create_app, described
    from agent.settings import Settings

    # a simulated provider needs no key, and a Settings object without a file does not depend on the machine
    settings = Settings.model_construct(sandbox_url="http://127.0.0.1", database_url="sqlite+aiosqlite://")
    app = create_app(settings)
    document, public = (one.openapi_schema.to_schema() for one in (app.state["operations_app"], described(app)))
    document["paths"] = dict(sorted({**public["paths"], **document["paths"]}.items()))
    schemas = {**public["components"].get("schemas", {}), **document["components"].get("schemas", {})}
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return _json(document)


def asyncapi_document() -> str:
    """The AsyncAPI document of the session protocol as JSON."""
    from agent.transport.voice_agent_v1.asyncapi import asyncapi

    return _json(asyncapi())


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write(make: Callable[[], str], out: Path | None) -> None:
    if out is None:
        click.echo(make(), nl=False)
    else:
        out.write_text(make(), encoding="utf-8")


@click.command()
@_out
def openapi(out: Path | None) -> None:
    """Write the OpenAPI 3.1 document of the HTTP API. A running service serves it to operators."""
    _write(openapi_document, out)


@click.command()
@_out
def asyncapi(out: Path | None) -> None:
    """Write the AsyncAPI 3.0 document of the session protocol, made from its message types."""
    _write(asyncapi_document, out)
