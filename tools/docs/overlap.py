"""`docs/reference/overlap.svg`: what a caller waits for, and beside it what each provider takes, with and without an
early reply. Drawn from the sandbox's medians and early ends, with the stages that the service itself derives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.telemetry.stages import Mark, derive_stages
from voice_sandbox.latency import PROFILES
from voice_sandbox.recognizer.early_end import DOCUMENTED

COLOURS: Final = {"stt": "#5794f2", "llm": "#b877d9", "tts": "#ff9830"}
NAMES: Final = {"stt": "recogniser", "llm": "model", "tts": "voice"}
THRESHOLD: Final = 0.3
_LEFT, _SCALE, _HEIGHT, _STEP, _TOP = 150, 0.8, 18, 24, 46  # pixels; _SCALE: pixels per millisecond
_SPACE: Final = 28


@dataclass(frozen=True, slots=True)
class OverlapBar:
    """A stretch of time on a line of the picture, in milliseconds after the caller's last sound."""

    stage: str
    begins: float
    ends: float


def lines(lead_s: float) -> tuple[list[OverlapBar], list[OverlapBar]]:
    """(what each provider takes, what the caller waits for) when the model is asked so long before the end."""
    spread = PROFILES["measured"]
    heard, thinks, speaks = (spread[stage].p50_ms / 1000 for stage in ("stt", "llm", "tts"))
    asked = max(0.0, heard - lead_s)
    clause = asked + thinks
    spoken = max(heard, clause) + speaks
    marks = {
        Mark.SPEECH_ENDED: 0.0,
        Mark.TRANSCRIPT_READY: heard,
        Mark.FIRST_CLAUSE: clause,
        Mark.FIRST_AUDIO: spoken,
        Mark.AUDIO_SENT: spoken,
    }
    own = [
        OverlapBar("stt", 0.0, heard * 1000),
        OverlapBar("llm", asked * 1000, clause * 1000),
        OverlapBar("tts", (spoken - speaks) * 1000, spoken * 1000),
    ]
    waited: list[OverlapBar] = []
    at = 0.0
    for stage, seconds in derive_stages(marks).items():
        if stage in COLOURS and seconds is not None:
            waited.append(OverlapBar(stage, at * 1000, (at + seconds) * 1000))
            at += seconds
    return own, waited


def picture() -> str:
    """The picture."""
    parts: list[str] = []
    y = _TOP
    for title, lead_s in (("one after the other", 0.0), (f"asked at {THRESHOLD:.0%}", DOCUMENTED.lead(THRESHOLD))):
        own, waited = lines(lead_s)
        parts.append(_text(0, y + 13, title.replace("%", " %"), bold=True))
        for bar in own:
            parts += [_text(0, y + _STEP + 13, NAMES[bar.stage]), _bar(bar, y + _STEP, faint=True)]
            y += _STEP
        y += _STEP
        parts.append(_text(0, y + 13, "the caller waits"))
        parts += [_bar(bar, y, faint=False) for bar in waited]
        y += _STEP + _SPACE
    axis = "".join(_text(round(_LEFT + ms * _SCALE), 20, f"{ms} ms") for ms in range(0, 801, 200))
    size = f'width="{round(_LEFT + 900 * _SCALE)}" height="{y}"'
    body = "\n".join((axis, *parts))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _bar(bar: OverlapBar, y: int, *, faint: bool) -> str:
    x, width = round(_LEFT + bar.begins * _SCALE), max(1, round((bar.ends - bar.begins) * _SCALE))
    look = f'fill="{COLOURS[bar.stage]}" opacity="{0.45 if faint else 1}"'
    label = f"{bar.ends - bar.begins:.0f}"
    return f'<rect x="{x}" y="{y}" width="{width}" height="{_HEIGHT}" {look}/>{_text(x + 4, y + 13, label)}'


def _text(x: int, y: int, words: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}"{weight}>{words}</text>'
