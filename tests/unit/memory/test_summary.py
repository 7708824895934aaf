"""Topic summaries: lexical at once, the model's checked for exact values."""

from __future__ import annotations

from agent.memory.summary import DUE_AFTER, exact_values

from agent.memory import Conversation, context


def booked() -> Conversation:
    conversation = Conversation()
    conversation.heard("I'd like a table at Sino on Friday at 7 pm.")
    conversation.answered("Done, it is booked. The reference is BK7Q2M.", interrupted=False)
    return conversation


def talk(conversation: Conversation, turns: int) -> None:
    for _ in range(turns):
        conversation.heard("Is the table by the window?")
        conversation.answered("It is a quiet table.", interrupted=False)


def test_none_is_due_on_a_short_topic_and_the_lexical_one_stands_in() -> None:
    conversation = booked()
    assert conversation.summary_due() is None
    made = context(conversation, system="", utterance="and?", budget_tokens=1_000)
    assert "I'd like a table at Sino" in made.parts["summary"]


def test_a_request_names_the_values_that_must_stay() -> None:
    conversation = booked()
    talk(conversation, DUE_AFTER)
    request = conversation.summary_due()
    assert request is not None
    assert "Summarise this topic" in request.prompt
    assert set(request.values) == {"Sino", "Friday", "7 pm", "BK7Q2M"}
    assert all(value in request.prompt for value in request.values)


def test_a_summary_that_loses_values_is_patched() -> None:
    conversation = booked()
    talk(conversation, DUE_AFTER)
    request = conversation.summary_due()
    assert request is not None
    missing = conversation.summarised(request, "The caller booked a table at Sino for Friday evening.")
    assert missing == ("7 pm", "BK7Q2M")
    made = context(conversation, system="", utterance="and?", budget_tokens=1_000)
    assert "Exact values: 7 pm; BK7Q2M." in made.parts["summary"]
    assert conversation.summary_due() is None
    assert Conversation.restore(conversation.events_since(0)).graph == conversation.graph


def test_a_faithful_summary_is_kept_as_it_is() -> None:
    conversation = booked()
    talk(conversation, DUE_AFTER)
    request = conversation.summary_due()
    assert request is not None
    text = "A table at Sino on Friday at 7 pm, reference BK7Q2M."
    assert conversation.summarised(request, text) == ()
    assert conversation.graph.topics[0].summary == text


def test_a_topic_that_was_left_is_summarised_too() -> None:
    conversation = booked()
    talk(conversation, 3)
    conversation.heard("I need a taxi to the airport")
    request = conversation.summary_due()
    assert request is not None
    assert request.topic == 0


def test_the_words_a_generic_thing_began_with_are_no_value_to_repeat() -> None:
    conversation = Conversation()
    conversation.heard("I need a locker for an oak sledge until March 3rd.")
    conversation.answered("Locker QK771 is yours.", interrupted=False)
    graph = conversation.graph
    assert set(exact_values(graph, graph.topics[0])) == {"March 3rd", "QK771"}
