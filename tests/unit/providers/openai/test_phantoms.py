"""Words that nobody said, and words that were."""

from __future__ import annotations

import pytest

from agent.providers.openai.phantoms import is_phantom


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for watching!", "Thanks for watching, see you soon.", "[Music]", "(upbeat music)", "♪ ♪",
        "Vielen Dank fürs Zuschauen!",
        "Untertitel der Amara.org-Community", "Untertitel im Auftrag des ZDF, 2020",
        "Sous-titrage Société Radio-Canada",
        "Subtítulos realizados por la comunidad de Amara.org", "ご視聴ありがとうございました。",
        "Don't forget to subscribe!",
        "Thank you. Thank you. Thank you. Thank you.", "I love you, I love you, I love you, I love you.",
    ],
)  # fmt: skip
def test_what_recognisers_invent_is_no_speech(text: str) -> None:
    assert is_phantom(text)


@pytest.mark.parametrize(
    "text",
    [
        "Thank you.", "Bye.", "yes", "no no no no no no", "five five five five five five", "(555) 123",
        "Thank you for the room.",
        "See you at five.", "Subtitles for the film, please.", "I would like to subscribe.",
        "Is there music in the room?",
    ],
)  # fmt: skip
def test_what_callers_say_is(text: str) -> None:
    assert not is_phantom(text)


def test_polite_words_are_believed_unless_the_recogniser_is_unsure() -> None:
    assert is_phantom("Thank you.", 0.3)
    assert not is_phantom("Thank you.", 0.9)
    assert not is_phantom("Book a room.", 0.1)
