"""`voice-agent probe`: a synthetic caller over the public address. Where its calls do not come through, none do."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import click

from voice_loadtest.call_command import DEFAULT_URL

CLIP: Final = "smalltalk_02.wav"
CALL_S: Final = 60.0


@click.command()
@click.argument("url", envvar="VOICE_AGENT_URL", default=DEFAULT_URL)
@click.option("--key", envvar="VOICE_AGENT_PROBE_KEY", required=True, help="Better given as VOICE_AGENT_PROBE_KEY.")
@click.option(
    "--wav",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Say this clip instead of the bundled one.",
)
@click.option(
    "--every", type=click.FloatRange(5, 86_400), metavar="SECONDS", help="Call again and again, until it is stopped."
)
def probe(url: str, key: str, wav: Path | None, every: float | None) -> None:
    """Calls the service at URL once, says one sentence, and waits for a spoken reply.

    Run it every few minutes, by cron or with --every, from where callers are. Its turns carry a tier of their own in
    the metrics and count for no policy and no average. The exit status is 0 when the reply was heard and 1 when not.
    """
    while True:
        began = time.monotonic()
        failed, waited_ms = asyncio.run(probe_once(url, key, wav))
        heard = "" if waited_ms is None else f"answered after {waited_ms:.0f} ms, in "
        told = heard or f"{failed or 'answered'}, after "
        click.echo(f"probe: {told}a call of {time.monotonic() - began:.1f} s", err=failed is not None)
        if every is None:
            sys.exit(0 if failed is None else 1)
        time.sleep(max(0.0, every - (time.monotonic() - began)))


async def probe_once(url: str, key: str, wav: Path | None = None) -> tuple[str | None, float | None]:
    """One call: what was wrong with it, or None, and the milliseconds until its reply was heard. Holds no key."""
    from voice_loadtest.audio import CallerRecordingError, load_wav
    from voice_loadtest.caller import CallOptions, call
    from voice_loadtest.protocol import CallError
    from voice_loadtest.script import Speak

    try:
        with as_file(files("voice_loadtest") / "clips" / CLIP) as bundled:
            clip = load_wav(wav or bundled)
        async with asyncio.timeout(CALL_S):
            record = await call(CallOptions(url=url, api_key=key), [Speak(clip)])
    except CallerRecordingError as error:
        return str(error), None
    except TimeoutError:
        return f"no reply within {CALL_S:g} s", None
    except (CallError, OSError) as error:
        return str(error), None
    waited_ms = next((turn.voice_to_voice_ms for turn in record.turns), None)
    return (None, waited_ms) if record.all_answered else ("no real reply", None)
