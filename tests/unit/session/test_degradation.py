"""Who is told that a service runs on a later place of its chain."""

from __future__ import annotations

import pytest

from agent.budgets import Tier
from agent.core.calls import Fallback
from agent.session.degradation import NOTICE, SPOKEN_NOTICE, Chains, Disclosure
from agent.session.events import ServiceDegraded, ServiceRecovered, SessionEvent

CHAINS: Chains = {
    "stt": ("deepgram", "whisper"),
    "llm": ("haiku", "recorded"),
    "tts": ("elevenlabs", "openai_tts", "browser"),
}


def _moved(to: str, reason: str = "timeout") -> Fallback:
    return Fallback("tts", "elevenlabs", to, reason, 1.0)


def _disclosure(tier: Tier, *, speaks: bool = False) -> tuple[Disclosure, list[SessionEvent]]:
    sent: list[SessionEvent] = []
    return Disclosure(tier, CHAINS, sent.append, speaks=speaks), sent


def test_a_premium_client_is_told_the_place_once_and_when_it_is_over() -> None:
    disclosure, sent = _disclosure(Tier.PREMIUM)
    disclosure.fell_back(_moved("openai_tts"))
    disclosure.fell_back(_moved("openai_tts", "resting"))  # nothing new
    disclosure.fell_back(_moved("browser", "refused"))
    disclosure.recovered("tts")
    disclosure.recovered("tts")
    assert sent == [
        ServiceDegraded("tts", 2, "timeout", NOTICE),
        ServiceDegraded("tts", 3, "refused", NOTICE),
        ServiceRecovered("tts"),
    ]
    assert disclosure.notice() is None  # nobody asked for it to be said


def test_a_way_back_is_a_recovery() -> None:
    disclosure, sent = _disclosure(Tier.PREMIUM)
    disclosure.fell_back(Fallback("stt", "deepgram", "whisper", "empty", 1.0))
    disclosure.fell_back(Fallback("stt", "whisper", "deepgram", "recovered", 9.0))
    assert [type(message) for message in sent] == [ServiceDegraded, ServiceRecovered]


@pytest.mark.parametrize("speaks", [True, False])
def test_a_free_caller_is_told_nothing(speaks: bool) -> None:
    disclosure, sent = _disclosure(Tier.FREE, speaks=speaks)
    disclosure.fell_back(_moved("openai_tts"))
    disclosure.recovered("tts")
    assert sent == []
    assert disclosure.notice() is None


def test_it_is_said_once_in_a_session_where_the_setting_asks_for_it() -> None:
    disclosure, _ = _disclosure(Tier.PREMIUM, speaks=True)
    assert disclosure.notice() is None
    disclosure.fell_back(_moved("openai_tts"))
    assert disclosure.notice() == SPOKEN_NOTICE
    disclosure.recovered("tts")
    disclosure.fell_back(_moved("openai_tts"))
    assert disclosure.notice() is None
