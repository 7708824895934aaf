"""The memory of a call as a graph of questions, topics and states.

Pure: no I/O but reading `flows.toml`, no model, no clock.
"""

from agent.memory.claims import Claim
from agent.memory.context import ContextMessage, MemoryContext, Part, context
from agent.memory.conversation import Conversation, OutOfTurnError, Update
from agent.memory.events import BadEventError, Event
from agent.memory.flows import FlowsError
from agent.memory.nodes import Graph, Question, Slot, State, Topic, Transition
from agent.memory.notes import NotesRequest
from agent.memory.render import graph_view, render_svg, render_text

__all__ = [
    "BadEventError",
    "Claim",
    "ContextMessage",
    "Conversation",
    "Event",
    "FlowsError",
    "Graph",
    "MemoryContext",
    "NotesRequest",
    "OutOfTurnError",
    "Part",
    "Question",
    "Slot",
    "State",
    "Topic",
    "Transition",
    "Update",
    "context",
    "graph_view",
    "render_svg",
    "render_text",
]
