"""Does a caller ask to hear the last reply again? A sign of a bad line or voice that no latency shows."""

from __future__ import annotations

from typing import Final

from agent.turn.overheard import phrases_of, words_of

LONGEST: Final = 9  # words: a longer sentence asks for something else as well


def asks_again(text: str, language: str = "en") -> bool:
    """Whether a short utterance holds one of the phrases with which people ask for a repetition (`overheard.toml`)."""
    words = words_of(text)
    if len(words) > LONGEST:
        return False
    return any(
        tuple(words[start : start + len(phrase)]) == phrase
        for phrase in phrases_of("asks_again", language)
        for start in range(len(words) - len(phrase) + 1)
    )
