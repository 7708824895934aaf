"""Events of a session as messages of the wire."""

from __future__ import annotations

from agent.session import events
from agent.transport.voice_agent_v1 import messages
from agent.transport.voice_agent_v1.translation import ECHO, message_of


def test_an_echo_is_told_with_words_that_can_be_shown() -> None:
    assert message_of(events.EchoNoticed()) == messages.Echo(message=ECHO)
    assert "headphones" in ECHO


def test_a_filler_says_how_much_of_the_audio_it_is() -> None:
    told = message_of(events.FillerSent(3, "One moment, please.", 0.9504))
    assert told == messages.FillerMessage(turn=3, text="One moment, please.", audio_ms=950.4)
