"""What a session says when it cannot reply: what is wrong, in so many words once, then briefly."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.calls import ErrorKind, ProviderError
from agent.providers.recorded import RecordedClip, Sentence
from agent.turn.turn import Recording


def sentence_for(error: ProviderError) -> Sentence:
    """The recorded sentence that says what this failure means to the caller."""
    if error.kind is ErrorKind.DECLINED:
        return Sentence.DECLINED
    return Sentence.CANNOT_SPEAK if error.service == "tts" else Sentence.CANNOT_ANSWER


class SessionApologies:
    """The apologies of one session. Each long sentence is said once; after that, and until a reply, a short one."""

    def __init__(self, clips: Mapping[Sentence, RecordedClip]) -> None:
        self._clips = clips
        self._said: set[Sentence] = set()

    def next_for(self, error: ProviderError) -> Recording:
        """The recording to play now."""
        sentence = sentence_for(error)
        if sentence in self._said and sentence is not Sentence.DECLINED:
            sentence = Sentence.STILL_NOT
        self._said.add(sentence)
        clip = self._clips[sentence]
        return Recording(clip.text, clip.pcm)
