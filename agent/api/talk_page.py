"""The routes of the talk page: the page, its modules, and the sample calls while providers are simulated.

Every answer carries a Content-Security-Policy that allows this origin's own files and nothing else: no inline script or
style, no frame, no form target, no other host.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from agent.api.sample_calls import SampleStage, Serving, load_clips, sample_calls
from agent.web import page_files

MEDIA_TYPES: Final = {  # Litestar adds the charset to text
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".wav": "audio/wav",
}
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",  # asked for again each time; unchanged files answer 304
}
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")

AnyRequest = Request[Any, Any, State]


@dataclass(frozen=True, slots=True)
class _PageFile:
    body: bytes
    media_type: str
    etag: str


def web_routes(
    *,
    serving: Callable[[], Serving],
    samples: Callable[[], SampleStage] | None = None,
    public_url: str | None = None,
    embed_origins: Sequence[str] = (),
) -> Router:
    """The router of the talk page, to be mounted at the root.

    `serving` says what is simulated and what runs here, whenever the page asks. With `samples` the sample calls are
    served; it says what they meet.
    `public_url` is the http(s) address that clients use, when it is not the Host header. Pages of `embed_origins` may
    load the client's modules, and put `/embed` into a frame.
    """
    static = {name: _file(name, body) for name, body in page_files().items()}
    known = {name: file for name, file in static.items() if file is not None}
    clips = {name: _file(name, body) for name, body in load_clips().items()} if samples is not None else {}

    elsewhere = {"cross-origin-resource-policy": "cross-origin"} if embed_origins else {}

    @get("/", sync_to_thread=False, include_in_schema=False)
    def page(request: AnyRequest) -> Response[bytes]:
        return _answer(request, known.get("index.html"), public_url)

    @get("/embed", sync_to_thread=False, include_in_schema=False)
    def embed(request: AnyRequest) -> Response[bytes]:
        answer = _answer(request, known.get("embed.html"), public_url, embed_origins)
        answer.headers.update(elsewhere)
        return answer

    @get("/talk/{name:str}", sync_to_thread=False, include_in_schema=False)
    def asset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
        answer = _answer(request, known.get(name), public_url)
        answer.headers.update(elsewhere)
        return answer

    @get("/sample-calls.json", sync_to_thread=False, include_in_schema=False)
    def calls(request: AnyRequest) -> Response[Mapping[str, Any]]:
        told = sample_calls(serving(), None if samples is None else samples())
        return Response(told, headers=_headers(request, public_url))

    @get("/sample-calls/{name:str}", sync_to_thread=False, include_in_schema=False)
    def clip(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
        return _answer(request, clips.get(name), public_url)

    return Router("/", route_handlers=[page, embed, asset, calls, clip])


def content_security_policy(socket_hosts: Sequence[str], ancestors: Sequence[str] = ()) -> str:
    """The policy; `ancestors` may frame the page, nobody may by itself.

    Not every browser takes `'self'` for the WebSocket of the same host, so its hosts are named.
    """
    sockets = "".join(f" ws://{host} wss://{host}" for host in socket_hosts)
    directives = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        f"connect-src 'self'{sockets}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors " + (" ".join(ancestors) or "'none'"),
        "require-trusted-types-for 'script'",
    )
    return "; ".join(directives)


def _file(name: str, body: bytes) -> _PageFile | None:
    suffix = name[name.rfind(".") :]
    if suffix not in MEDIA_TYPES:
        return None
    return _PageFile(body, MEDIA_TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def _answer(
    request: AnyRequest, file: _PageFile | None, public_url: str | None, ancestors: Sequence[str] = ()
) -> Response[bytes]:
    if file is None:
        raise NotFoundException("there is no such file here")
    headers = {**_headers(request, public_url, ancestors), "etag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(b"", status_code=304, headers=headers, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)


def _headers(request: AnyRequest, public_url: str | None, ancestors: Sequence[str] = ()) -> dict[str, str]:
    asked = request.headers.get("host", "")
    hosts = [asked, public_url.partition("://")[2].partition("/")[0] if public_url else ""]
    named = [host for host in dict.fromkeys(hosts) if _AUTHORITY.fullmatch(host)]
    return {**HEADERS, "content-security-policy": content_security_policy(named, ancestors)}
