"""The graph for people: plain text, an SVG drawing, and the compact view that the talk page shows.

In text and drawing turns and topics count from 1; in the view they are the ids of the events, from 0.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from agent.memory.conversation import Conversation
from agent.memory.nodes import Graph, State, Topic
from agent.memory.notes import clip, describe_past, describe_state, lexical_summary
from agent.memory.titles import state_title, topic_title
from agent.memory.words import plain

_TOPIC_WIDTH, _STATE_WIDTH, _GAP, _MARGIN = 320, 360, 24, 20
_LINE, _PADDING = 18, 10
_MAX_VIEW_STATES = 20


def render_text(conversation: Conversation) -> str:
    """Topics with their questions and states, one line each, oldest first; folded questions as their gist."""
    graph = conversation.graph
    counted = (("turn", graph.turns), ("topic", len(graph.topics)), ("state", len(graph.states)))
    lines = [", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counted)]
    for topic in graph.topics:
        lines += ["", _topic_line(graph, topic), f"  summary: {lexical_summary(graph, topic.questions) or '-'}"]
        lines += [f"  folded {line}" for line in topic.gist]
        for turn in topic.questions:
            question = graph.question(turn)
            if question is None:
                continue
            heard = "(no answer)" if question.answer is None else question.answer or "(nothing heard)"
            cut = " [interrupted]" if question.interrupted else " [acknowledged]" if question.acknowledged else ""
            points = f" -> {', '.join(f'#{number + 1}' for number in question.refers_to)}" if question.refers_to else ""
            lines.append(f"  [{turn + 1}] {question.intent}{points}: {question.text or '(the call starts)'}")
            lines.append(f"       {heard}{cut}")
        for state in graph.states_of(topic):
            lines += [f"  {line}" for line in _state_lines(graph, state)]
    return "\n".join(lines)


def _topic_line(graph: Graph, topic: Topic) -> str:
    marks = ["open" if topic.open else "closed", f"since turn {topic.opened + 1}"]
    marks += [f"re-opened at {', '.join(str(turn + 1) for turn in topic.reopened)}"] if topic.reopened else []
    current = "*" if topic.id == graph.current else " "
    return f"{current}topic {topic.id + 1}: {topic_title(graph, topic)} ({'; '.join(marks)})"


def _state_lines(graph: Graph, state: State) -> list[str]:
    lines = [f"state {describe_state(state, state_title(graph, state))}"]
    replaced = describe_past(state.past)
    lines += [f"  replaced: {replaced}"] if replaced else []
    lines += [f'  turn {step.turn + 1}: {step.origin} -> {step.to} ("{step.cue}")' for step in state.transitions]
    return lines


def graph_view(conversation: Conversation) -> dict[str, Any]:
    """A JSON-able view for a page: topics without their questions, the newest states and what is current."""
    graph = conversation.graph
    return {
        "turns": graph.turns,
        "current_topic": graph.current,
        "current_state": None if graph.state is None else graph.state.id,
        "topics": [
            {
                "id": topic.id,
                "subject": topic_title(graph, topic),
                "open": topic.open,
                "reopened": len(topic.reopened),
                "questions": len(topic.questions) + len(topic.gist),
                "summary": lexical_summary(graph, topic.questions),
            }
            for topic in graph.topics
        ],
        "states": [
            {
                "id": state.id,
                "topic": state.topic,
                "flow": state_title(graph, state),
                "state": state.state,
                "slots": [
                    {"name": name, "value": words, "turn": turn, "by": by} for name, words, turn, by in _quoted(state)
                ],
            }
            for state in graph.states[-_MAX_VIEW_STATES:]
        ],
    }


def _quoted(state: State) -> dict[tuple[str, str, int, str], None]:
    """(what it is, words, turn, side) of what is quoted of a thing. What the small model calls a value is not told."""
    return dict.fromkeys(("said" if slot.said else slot.name, slot.words, slot.turn, slot.by) for slot in state.slots)


def render_svg(conversation: Conversation) -> str:
    """One SVG document: topics on the left, their states on the right, an edge between. Colours follow the theme."""
    graph = conversation.graph
    shapes: list[str] = []
    top = _MARGIN
    for topic in graph.topics:
        height, drawn = _topic_row(graph, topic, top)
        shapes += drawn
        top += height + _GAP
    width = 2 * _MARGIN + _TOPIC_WIDTH + 3 * _GAP + _STATE_WIDTH
    style = (
        "<style>svg{font:12px sans-serif;color-scheme:light dark;color:CanvasText;background:Canvas}"
        "rect{fill:none;stroke:currentColor}text{fill:currentColor}path{stroke:currentColor;fill:none}"
        ".now rect{stroke-width:3}.title{font-weight:bold}</style>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}" '
        f'role="img" aria-label="Conversation graph">{style}{"".join(shapes)}</svg>'
    )


def _topic_row(graph: Graph, topic: Topic, top: int) -> tuple[int, list[str]]:
    """The height of a topic's row and its shapes."""
    title = f"{topic_title(graph, topic)} · {len(topic.questions) + len(topic.gist)} questions"
    lines = [f"since turn {topic.opened + 1}"]
    lines += [f"re-opened at {', '.join(str(turn + 1) for turn in topic.reopened[-6:])}"] if topic.reopened else []
    for turn in topic.questions[-4:]:
        question = graph.question(turn)
        lines += [f"[{turn + 1}] {clip(question.text, 44)}"] if question is not None else []
    left_height = _box_height(lines)
    shapes = [_box(_MARGIN, top, _TOPIC_WIDTH, title, lines, topic.id == graph.current)]
    below, state_left = top, _MARGIN + _TOPIC_WIDTH + 3 * _GAP
    for state in graph.states_of(topic):
        slots = [f"{name}: {clip(words, 40)} (turn {turn + 1})" for name, words, turn, _ in _quoted(state)]
        heading = f"#{state.id + 1} {state_title(graph, state)}: {state.state}"
        shapes.append(_box(state_left, below, _STATE_WIDTH, heading, slots, state is graph.state))
        from_x, from_y, to_y = _MARGIN + _TOPIC_WIDTH, top + 20, below + 20
        shapes.append(
            f'<path d="M{from_x} {from_y} C{from_x + 40} {from_y} {state_left - 40} {to_y} {state_left} {to_y}"/>'
        )
        below += _box_height(slots) + _GAP // 2
    return max(left_height, below - top), shapes


def _markup(text: str) -> str:
    """Text for an SVG element; what XML cannot hold becomes a space."""
    return escape(plain(text))


def _box_height(lines: list[str]) -> int:
    return 2 * _PADDING + _LINE * (len(lines) + 1)


def _box(left: int, top: int, width: int, title: str, lines: list[str], now: bool) -> str:
    texts = [f'<text class="title" x="{left + _PADDING}" y="{top + _PADDING + 12}">{_markup(title)}</text>']
    texts += [
        f'<text x="{left + _PADDING}" y="{top + _PADDING + 12 + _LINE * number}">{_markup(line)}</text>'
        for number, line in enumerate(lines, start=1)
    ]
    frame = f'<rect x="{left}" y="{top}" width="{width}" height="{_box_height(lines)}" rx="8"/>'
    kind = ' class="now"' if now else ""
    return f"<g{kind}>{frame}{''.join(texts)}</g>"
