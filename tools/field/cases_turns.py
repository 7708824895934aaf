"""Turn-taking: what callers and rooms do while the agent speaks, and callers who pause in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from tools.field.callers import PATIENCE_S, answered, no_fault, speaks
from tools.field.case import Case, Scene, Script
from tools.field.cases_recognisers import NOVA
from tools.field.handset import BadLine, handset
from tools.field.sounds import ringing

QUESTION: Final = "billing_04"  # "When will I get the refund?": answered in two sentences, none of them a question
WHOLE: Final = r"three to five working days.*4417"
_INTO_S: Final = 1.0  # into the reply

Pick = Callable[[Scene], bytes]


def _over(pick: Pick, *, bad: BadLine | None = None, times: int = 1) -> Script:
    """Asks, and makes a sound while the answer plays."""

    async def script(scene: Scene) -> None:
        line = scene.line
        async with handset(line, bad) as phone:
            await phone.say(scene.sounds[QUESTION])
            await line.until(lambda: line.first_at is not None, PATIENCE_S)
            for _ in range(times):
                await asyncio.sleep(_INTO_S)
                await phone.sound(pick(scene))
            await answered(line)

    return script


def _plays_on(words: str, pick: Pick, counted: str, **options: Any) -> Case:
    """Nothing but the sound differs from a reply that nobody spoke over."""
    return Case(
        group="turn-taking",
        fault=f"{words} over a reply",
        rules=no_fault,
        script=_over(pick),
        says=WHOLE,
        turns=1,
        counted=(counted,) if counted else (),
        instant=False,
        **options,
    )


def _says(name: str) -> Pick:
    return lambda scene: scene.sounds[name].pcm


def _echo(db: float, *counted: str) -> Case:
    async def script(scene: Scene) -> None:
        async with handset(scene.line, BadLine(echo_db=db)) as phone:
            await phone.say(scene.sounds[QUESTION])
            await answered(scene.line)

    return Case(
        group="turn-taking",
        fault=f"the loudspeaker comes back through the microphone, {db:g} dB quieter",
        rules=no_fault,
        script=script,
        says=WHOLE,
        turns=1,
        counted=counted,
        instant=False,
    )


def _takes_the_turn(words: str, name: str, says: str, bad: BadLine | None = None) -> Case:
    async def script(scene: Scene) -> None:
        line = scene.line
        async with handset(line, bad) as phone:
            await phone.say(scene.sounds[QUESTION])
            await line.until(lambda: line.first_at is not None, PATIENCE_S)
            await asyncio.sleep(_INTO_S)
            line.fresh()
            await phone.say(scene.sounds[name])
            await line.until(lambda: len(line.all("turn.metrics")) == 2, PATIENCE_S)

    return Case(
        group="turn-taking", fault=words, rules=no_fault, script=script, says=says, turns=1,
        counted=("interruption",), instant=False,
    )  # fmt: skip


def _dictated(words: str, names: tuple[str, ...], pause_s: float, settings: dict[str, Any]) -> Case:
    return Case(
        group="turn-taking",
        fault=f"{words}, with pauses of {pause_s:g} s, heard by {'Nova' if settings else 'Flux'}",
        rules=no_fault,
        script=speaks(*names, pause_s=pause_s),
        turns=1,
        settings=settings,
    )


async def _speaks_on(scene: Scene) -> None:
    """Says something more before the reply has begun; it is slow enough for that."""
    line = scene.line
    scene.inject()
    async with handset(line) as phone:
        await phone.say(scene.sounds["room_01"])
        await line.until(lambda: line.has("transcript.final"), PATIENCE_S)
        line.fresh()
        await phone.say(scene.sounds["room_03"])
        await line.until(lambda: len(line.all("turn.metrics")) >= 1 and line.first_at is not None, PATIENCE_S)
        await line.until(lambda: line.all("turn.metrics")[-1]["outcome"] == "replied", PATIENCE_S)


_NUMBER: Final = ("my_number_is", "digits_1", "digits_2", "digits_3")
_NAME: Final = ("my_name_is", "letters_1", "letters_2")
_SENTENCE: Final = ("i_would_like_to", "book_a_room")

CASES: Final = (
    _plays_on("“Uh-huh”", _says("uh_huh"), "backchannel"),
    _plays_on("“Okay”", _says("okay"), "backchannel"),
    _plays_on("“Yeah, right”", _says("yeah_right"), "backchannel"),
    _plays_on("a cough", _says("noise_cough"), ""),
    _plays_on("a door", _says("noise_door"), ""),
    _plays_on("a keyboard", _says("noise_keyboard"), ""),
    _plays_on("a telephone that rings", lambda scene: ringing(2.0, -25.0), ""),
    _echo(20.0),
    _echo(10.0, "echo"),
    _takes_the_turn("“Stop, stop” over a reply", "barge_01", "take your time"),
    _takes_the_turn("“No, I meant Thursday” over a reply", "barge_03", "Thursday"),
    _takes_the_turn(
        "“No, I meant Thursday” over a reply that echoes, 20 dB quieter", "barge_03", "Thursday", BadLine(echo_db=20.0)
    ),
    Case(
        group="turn-taking",
        fault="the caller speaks on before the reply has begun",
        rules=no_fault,
        script=_speaks_on,
        says="people",
        turns=1,
    ),
    _dictated("a telephone number", _NUMBER, 0.7, {}),
    _dictated("a telephone number", _NUMBER, 0.7, NOVA),
    _dictated("a name that is spelled", _NAME, 0.7, {}),
    _dictated("a name that is spelled", _NAME, 0.7, NOVA),
    _dictated("a sentence", _SENTENCE, 0.7, {}),
    _dictated("a sentence", _SENTENCE, 0.7, NOVA),
)
