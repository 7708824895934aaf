"""Whether a caller is probably done: the judge over the words, and the moment at which it is asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator

import pytest

from agent.core import clock
from agent.providers.base import SttEvent, SttEventKind
from agent.turn.likely_end import LikelyEnds, looks_complete
from agent.turn.listen_events import LikelyEndOfTurn, TurnResumed
from tests.support.paths import DATA
from tests.support.virtual_time import run_virtual

STABLE_S = 0.1


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("which rooms do you have", True),
        ("Yes.", True),
        ("thank you", True),
        ("No, that's all I need.", True),
        ("What is it for?", True),
        ("I would like to", False),
        ("I would like to.", False),
        ("a room for", False),
        ("my number is", False),
        ("my number is five five five", False),
        ("This is something that I am", False),
        ("I'd like a room, ", False),
        ("um", False),
        ("Building", False),
        ("", False),
    ],
)
def test_nothing_may_be_missing_after_the_words(text: str, complete: bool) -> None:
    assert looks_complete(text) is complete


def _callers() -> Iterator[str]:
    for line in (DATA / "sgd" / "dev_partial.jsonl").read_text().splitlines():
        yield from (turn["x"] for turn in json.loads(line)["turns"] if turn["r"] == "u")


@pytest.mark.skipif(not (DATA / "sgd").exists(), reason="outside data is not here: VOICE_AGENT_DATA names its folder")
def test_the_judge_knows_nearly_every_end_of_outside_callers_and_half_of_what_is_none() -> None:
    said = [text for _, text in zip(range(2000), _callers(), strict=False)]
    ends = sum(map(looks_complete, said)) / len(said)
    inner = [" ".join(words[:n]) for text in said for words in [text.split()] for n in range(1, len(words))]
    inner = [text for text in inner if not re.search(r"[.,?!]$", text)]
    assert ends > 0.95
    assert sum(map(looks_complete, inner)) / len(inner) < 0.55


def partial(text: str, *, settled: bool = False, confidence: float | None = None) -> SttEvent:
    return SttEvent(SttEventKind.PARTIAL, text, settled=settled, confidence=confidence)


class Caller:
    """What was told, and when; a voice that a test moves."""

    def __init__(self, stable_s: float | None = STABLE_S) -> None:
        self.voiced_at: float | None = None
        self.told: list[tuple[float, LikelyEndOfTurn | TurnResumed]] = []
        self.ends = LikelyEnds(stable_s, lambda: self.voiced_at, lambda told: self.told.append((clock.now(), told)))

    def hears(self, heard: SttEvent) -> None:
        self.ends.heard(heard, heard.text)


def played(scene: Callable[[Caller], object], stable_s: float | None = STABLE_S) -> list[tuple[float, object]]:
    async def scenario() -> list[tuple[float, object]]:
        caller = Caller(stable_s)
        done = scene(caller)
        if asyncio.iscoroutine(done):
            await done
        await asyncio.sleep(1.0)
        return [(round(at, 3), told) for at, told in caller.told]

    return run_virtual(scenario())


def test_words_have_to_stand_in_silence() -> None:
    async def scene(caller: Caller) -> None:
        caller.hears(partial("which rooms"))
        await asyncio.sleep(0.05)
        caller.hears(partial("which rooms do you have"))
        caller.voiced_at = clock.now()
        await asyncio.sleep(0.03)
        caller.voiced_at = clock.now()  # a last sound without another word

    assert played(scene) == [(0.18, LikelyEndOfTurn("which rooms do you have"))]


def test_settled_words_need_silence_alone() -> None:
    async def scene(caller: Caller) -> None:
        caller.voiced_at = 0.0
        await asyncio.sleep(0.3)
        caller.hears(partial("which rooms do you have", settled=True))

    assert played(scene) == [(0.3, LikelyEndOfTurn("which rooms do you have"))]


@pytest.mark.parametrize(("until", "told"), [(0.1, False), (0.35, True), (None, True)])
def test_a_voice_after_the_last_word_is_one_that_has_not_come_yet(until: float | None, told: bool) -> None:
    async def scene(caller: Caller) -> None:
        caller.voiced_at = 0.5
        await asyncio.sleep(0.7)
        caller.ends.heard(partial("which rooms do you have"), "which rooms do you have", until)

    assert bool(played(scene)) is told


def test_words_that_need_more_are_never_told() -> None:
    assert played(lambda caller: caller.hears(partial("I would like to"))) == []


def test_without_the_knob_only_the_recogniser_says_so() -> None:
    async def scene(caller: Caller) -> None:
        caller.hears(partial("which rooms"))
        await asyncio.sleep(0.5)
        caller.hears(SttEvent(SttEventKind.EAGER, "which rooms", confidence=0.4))
        caller.hears(partial("which rooms", confidence=0.6))
        caller.hears(SttEvent(SttEventKind.RESUMED, "which rooms", confidence=0.1))

    assert played(scene, None) == [
        (0.5, LikelyEndOfTurn("which rooms", 0.4)),
        (0.5, LikelyEndOfTurn("which rooms", 0.6)),
        (0.5, TurnResumed()),
    ]


@pytest.mark.parametrize("over", ["ended", "other words"])
def test_what_is_over_is_not_told(over: str) -> None:
    async def scene(caller: Caller) -> None:
        caller.hears(partial("which rooms"))
        await asyncio.sleep(STABLE_S / 2)
        if over == "ended":
            caller.ends.over()
        else:
            caller.hears(partial("which rooms do"))

    assert [told for _, told in played(scene) if told == LikelyEndOfTurn("which rooms")] == []


def test_the_same_words_are_told_once() -> None:
    async def scene(caller: Caller) -> None:
        for _ in range(5):
            caller.hears(partial("which rooms"))
            await asyncio.sleep(STABLE_S)

    assert len(played(scene)) == 1
