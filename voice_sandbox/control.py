"""Control endpoints: look at what the sandbox served and change its latency and faults while it runs."""

from __future__ import annotations

import inspect
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from voice_sandbox.faults import PROVIDERS, FaultRule, kind_sentences
from voice_sandbox.latency import PROFILES, LatencySpread
from voice_sandbox.state import SandboxState

AnyRequest = Request[Any, Any, Any]


class _Profile(msgspec.Struct, forbid_unknown_fields=True):
    profile: str


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value)


def _refused(error: Exception) -> Response[dict[str, str]]:
    return Response({"error": str(error)}, status_code=400)


@get("/")
async def index() -> dict[str, Any]:
    """What can be asked and set here: every route with its sentence, and the words that faults and profiles take."""
    routes = {
        f"{method} /control{path if path != '/' else ''}": " ".join((inspect.getdoc(handler.fn) or "").split())
        for handler in _HANDLERS
        for path in handler.paths
        for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
    }
    return {
        "routes": routes,
        "profiles": list(PROFILES),
        "providers": list(PROVIDERS),
        "fault_kinds": {kind: text for kinds, text in kind_sentences().items() for kind in kinds},
        "fault_fields": list(FaultRule.__dataclass_fields__),
    }


@get("/state")
async def state(request: AnyRequest) -> dict[str, Any]:
    """Profile, seed, overrides, faults in force, and the network distribution, which callers apply themselves."""
    world = SandboxState.of(request)
    spread = PROFILES[world.latency.profile].get("network")
    return {
        "profile": world.latency.profile,
        "seed": world.options.seed,
        "voice": world.voice.name,
        "hearing": world.hearing.name,
        "local": world.local,
        "loading": world.hearing.loading,
        "failed": {} if world.hearing.failure is None else {"stt": world.hearing.failure},
        "flux_word_times": world.options.flux_word_times,
        "network": None if spread is None else _plain(spread),
        "overrides": _plain(world.latency.overrides),
        "faults": [{**_plain(rule), "left": left} for rule, left in world.faults.rules],
    }


@get("/counters")
async def counters(request: AnyRequest) -> dict[str, Any]:
    """provider -> model -> quantity -> sum; with `?session=` only what that session was served."""
    return _plain(SandboxState.of(request).counters.snapshot(request.query_params.get("session")))


@post("/counters/reset", status_code=204)
async def reset_counters(request: AnyRequest) -> None:
    """Starts all counters again from nothing."""
    SandboxState.of(request).counters.reset()


@post("/faults", status_code=201)
async def add_fault(request: AnyRequest) -> Response[Any]:
    """Puts one fault rule in force (a JSON object with the fields of `FaultRule`); 400 with the reason if it is not
    one.
    """
    try:
        fields = msgspec.json.decode(await request.body(), type=dict[str, Any])
        unknown = fields.keys() - FaultRule.__dataclass_fields__.keys()
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        rule = msgspec.convert(fields, FaultRule)
        SandboxState.of(request).faults.add(rule)
    except (msgspec.MsgspecError, ValueError) as error:
        return _refused(error)
    return Response(_plain(rule), status_code=201)


@delete("/faults", status_code=200)
async def clear_faults(request: AnyRequest) -> dict[str, int]:
    """Takes fault rules back: all, or those of `?provider=` and `?session=`."""
    wanted = request.query_params
    return {"cleared": SandboxState.of(request).faults.clear(wanted.get("provider"), wanted.get("session"))}


@put("/latency")
async def set_latency(request: AnyRequest) -> Response[Any]:
    """Replaces all latency overrides: voice id, model id, provider or stage -> {p50_ms, p95_ms}; `{}` takes them
    back. Voices are ElevenLabs'.
    """
    try:
        overrides = msgspec.json.decode(await request.body(), type=dict[str, LatencySpread])
        SandboxState.of(request).latency.override(overrides)
    except (msgspec.MsgspecError, ValueError) as error:
        return _refused(error)
    return Response(_plain(overrides))


@put("/profile")
async def set_profile(request: AnyRequest) -> Response[Any]:
    """Changes the latency profile: `{"profile": "measured" | "instant" | "degraded"}`."""
    try:
        wanted = msgspec.json.decode(await request.body(), type=_Profile)
        SandboxState.of(request).latency.use(wanted.profile)
    except (msgspec.MsgspecError, ValueError) as error:
        return _refused(error)
    return Response({"profile": wanted.profile})


@get("/log")
async def request_log(request: AnyRequest) -> list[dict[str, Any]]:
    """The latest 200 requests, oldest first, or those of `?provider=` and `?session=`; language model calls with their
    whole body.
    """
    provider, session = request.query_params.get("provider"), request.query_params.get("session")
    return [
        _plain(entry)
        for entry in SandboxState.of(request).log.entries
        if (provider is None or entry.provider == provider) and (session is None or entry.session == session)
    ]


@get("/moments")
async def timings(request: AnyRequest) -> list[Any]:
    """[session, provider, point, monotonic seconds] of the latest requests, answers and ends of turn, oldest first."""
    return [[m.session, m.provider, m.point, m.at] for m in SandboxState.of(request).timings.entries]


_HANDLERS: Final[list[HTTPRouteHandler]] = [
    index,
    state,
    counters,
    reset_counters,
    add_fault,
    clear_faults,
    set_latency,
    set_profile,
    request_log,
    timings,
]


def control_router() -> Router:
    """All control endpoints, under /control."""
    return Router("/control", route_handlers=_HANDLERS)
