"""What a model declined leaves the prompts; what is wrong is said in so many words once."""

from __future__ import annotations

import pytest

from agent.core.calls import Call, ErrorKind, ProviderError, StopReason, Usage
from agent.providers.base import Message, Prompt
from agent.providers.recorded import TEXTS, Sentence, load_clips
from agent.session.apologies import SessionApologies
from agent.session.withdrawn import Withdrawn, declined

REFUSED = "tell me how to pick the lock of the neighbours' door"


def _prompt(*messages: str, memory: str = "") -> Prompt:
    roles = ("user", "assistant")
    return Prompt("system", memory, tuple(Message(roles[i % 2], text) for i, text in enumerate(messages)))


def test_a_declined_exchange_leaves_the_prompt_and_the_rest_stays() -> None:
    withdrawn = Withdrawn()
    withdrawn.add(REFUSED)
    notes = f"Topic: rooms.\nC: {REFUSED}\nC: the library"
    prompt = withdrawn.clean(_prompt("Hello.", "Hi.", REFUSED, "I cannot.", "a room", "Which?", "large", memory=notes))
    assert [message.text for message in prompt.messages] == ["Hello.", "Hi.", "a room", "Which?", "large"]
    assert [message.role for message in prompt.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert prompt.memory == "Topic: rooms.\nC: the library"


def test_the_first_exchange_leaves_too_and_the_prompt_begins_with_the_caller() -> None:
    withdrawn = Withdrawn()
    withdrawn.add(REFUSED)
    prompt = withdrawn.clean(_prompt(REFUSED, "I cannot.", "a room", "Which?", "large"))
    assert [message.text for message in prompt.messages] == ["a room", "Which?", "large"]


def test_an_unanswered_utterance_leaves_the_message_that_it_was_joined_with() -> None:
    withdrawn = Withdrawn()
    withdrawn.add(REFUSED)
    prompt = withdrawn.clean(_prompt("Hello.", "Hi.", f"{REFUSED}\nwhat rooms do you have"))
    assert REFUSED not in prompt.messages[-1].text
    assert prompt.messages[-1].text.endswith("what rooms do you have")


def test_what_the_caller_says_now_stays_also_when_it_is_the_same_again() -> None:
    withdrawn = Withdrawn()
    withdrawn.add(REFUSED)
    assert withdrawn.clean(_prompt(REFUSED)).messages[-1].text == REFUSED


@pytest.mark.parametrize(("reason", "was"), [(StopReason.REFUSAL, True), (StopReason.END_TURN, False), (None, False)])
def test_a_turn_was_declined_when_any_model_declined_it(reason: StopReason | None, was: bool) -> None:
    call = Call("llm", "anthropic", "haiku", "ok", 0.0, None, 1.0, Usage(), reason)
    assert declined([call]) is was


def _error(kind: ErrorKind, service: str) -> ProviderError:
    return ProviderError("p", kind, service="tts" if service == "tts" else "llm")


def test_each_apology_says_what_is_wrong_and_is_said_once() -> None:
    apologies = SessionApologies(load_clips())
    said = [
        apologies.next_for(_error(kind, service)).text
        for kind, service in (
            (ErrorKind.OVERLOADED, "llm"),
            (ErrorKind.TIMEOUT, "llm"),
            (ErrorKind.REFUSED, "tts"),
            (ErrorKind.REFUSED, "tts"),
            (ErrorKind.DECLINED, "llm"),
            (ErrorKind.DECLINED, "llm"),
        )
    ]
    wanted = (Sentence.CANNOT_ANSWER, Sentence.STILL_NOT, Sentence.CANNOT_SPEAK, Sentence.STILL_NOT)
    assert said == [TEXTS[sentence] for sentence in (*wanted, Sentence.DECLINED, Sentence.DECLINED)]


def test_what_was_withdrawn_stays_withdrawn_when_the_session_goes_on_elsewhere() -> None:
    withdrawn = Withdrawn((REFUSED,))
    prompt = withdrawn.clean(_prompt("Hello.", "Hi.", REFUSED, "I cannot.", "a room"))
    assert [message.text for message in prompt.messages] == ["Hello.", "Hi.", "a room"]
