"""The answer of a voice, of whatever provider, as audio of the service's own format."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from agent.core.calls import ErrorKind
from agent.providers.audio_format import SpeechDecoder, UnknownFormatError
from agent.providers.base import Audio
from agent.providers.call import ProviderCall
from agent.providers.output_check import audible


async def audio_of(
    call: ProviderCall, headers: Mapping[str, str], chunks: AsyncIterator[bytes], rate: int
) -> AsyncGenerator[Audio]:
    """Streams the audio of an answer; `rate` is that of the bare PCM that was asked for, in Hz.

    Raises ProviderError: `malformed` for a format that is not known, before any of it is given out; `empty` for an
    answer that stays under -50 dBFS to its end.
    """
    try:
        decoder = SpeechDecoder(rate, headers)
        async for data in chunks:
            if pcm := decoder.feed(data):
                if call.first_output_at is None and audible(pcm):
                    call.first_output()
                yield Audio(pcm, call.provider)
        if pcm := decoder.finish():
            if call.first_output_at is None and audible(pcm):
                call.first_output()
            yield Audio(pcm, call.provider)
    except UnknownFormatError:
        raise call.error(ErrorKind.MALFORMED) from None
    if call.first_output_at is None:
        raise call.error(ErrorKind.EMPTY)
