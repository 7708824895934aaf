"""The small requests with which an open breaker asks whether its provider is well again: never a caller's words."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Final

from agent.core.audio import bytes_for
from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.base import Audio, LanguageModel, Message, Prompt, SpeechStream, SpeechToText, TextToSpeech
from agent.providers.fallback.breaker import Probe
from agent.providers.output_check import audible

SESSION: Final = "probe"
WORD: Final = "Hi"
_PIECE: Final = bytes_for(0.1)
_QUIET: Final = bytes(bytes_for(1.0))


def probe_model(model: LanguageModel) -> Probe:
    """Asks a language model for one token; whatever comes is an answer."""
    prompt = Prompt("", "", (Message("user", WORD),), max_tokens=1, cache=False)

    async def probe(recorder: CallRecorder) -> None:
        async with aclosing(model.reply(SESSION, prompt, recorder)) as reply:
            async for _ in reply:
                pass

    return probe


def probe_voice(voice: TextToSpeech) -> Probe:
    """Has a voice say two characters, and listens whether there is a sound."""

    async def probe(recorder: CallRecorder) -> None:
        async with aclosing(voice.speak(SESSION, WORD, recorder)) as speech:
            heard = [piece async for piece in speech]
        if not any(isinstance(piece, Audio) and audible(piece.pcm) for piece in heard):
            raise ProviderError(voice.provider, ErrorKind.EMPTY)

    return probe


def probe_recogniser(stt: SpeechToText, speech: bytes) -> Probe:
    """Lets a recogniser hear a bundled recording (PCM s16le mono 16 kHz), as fast as it takes it; any word will do.

    It is told then that no more comes, and is heard to its end: what it has not read by itself is not known to be
    billed. A connection that breaks after the word has answered all the same; its call counts as estimated.
    """

    async def probe(recorder: CallRecorder) -> None:
        answered = False
        async with stt.open(SESSION, recorder) as stream:
            sending = asyncio.create_task(_send(stream, speech + _QUIET))
            try:
                async for heard in stream:
                    if heard.text and not answered:
                        answered = True
                        if not sending.done():  # else it has said so already
                            await _stopped(sending)
                            await stream.finish()
            except ProviderError:
                if not answered:
                    raise
            finally:
                await _stopped(sending)
        if not answered:
            raise ProviderError(stt.provider, ErrorKind.EMPTY)

    return probe


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def _send(stream: SpeechStream, pcm: bytes) -> None:
    with suppress(ProviderError):  # who iterates the stream is told
        for start in range(0, len(pcm), _PIECE):
            await stream.send(pcm[start : start + _PIECE])
        await stream.finish()
