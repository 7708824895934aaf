"""What would be asked of which model, for the words that a caller has said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.policy.routing import Route
from agent.providers.anthropic.models import options_of
from agent.providers.base import LanguageModel, Prompt
from agent.session.dependencies import Pipeline, SessionDependencies
from agent.session.reply import Reply
from agent.session.withdrawn import Withdrawn
from agent.turn.clauses import FirstWords
from agent.turn.turn import Turn


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model: who is asked, by which rule, and what. `tokens` are those of the prompt's parts.

    `first`: how hastily the reply begins, after the one that the caller heard last.
    """

    pipeline: Pipeline
    choice: Route
    llm: LanguageModel
    prompt: Prompt
    tokens: Mapping[str, int]
    first: FirstWords

    @property
    def model_ids(self) -> dict[str, str]:
        """The names that rules have for models → their providers' names."""
        return {name: model.model for name, model in self.pipeline.models.items()}


def request_of(
    parts: SessionDependencies, pipeline: Pipeline, withdrawn: Withdrawn, text: str, *, heard: bool
) -> ModelRequest:
    """The request that answers these words. `heard`: memory has been told of them."""
    choice = pipeline.router.route(text, parts.memory.recent(heard=heard))
    llm = pipeline.models[choice.model]
    prompt, tokens = parts.memory.prompt(
        parts.system_prompt,
        text,
        parts.context_tokens,
        cache=parts.prompt_cache,
        cacheable_from=options_of(llm.model).cacheable_from_tokens,
    )
    cleaned = withdrawn.clean(prompt)
    last = next((message.text for message in reversed(cleaned.messages) if message.role == "assistant"), "")
    return ModelRequest(pipeline, choice, llm, cleaned, tokens, pipeline.first_words.after(last))


def turn_of(parts: SessionDependencies, request: ModelRequest, reply: Reply, preface: str | None) -> Turn:
    """The turn that answers with this request. `preface` is said before the reply."""
    return Turn(
        session=parts.info.session_id,
        prompt=request.prompt,
        llm=request.llm,
        tts=request.pipeline.tts,
        apologies=parts.apologies,
        caller=reply,
        playback=reply.playback,
        timeline=reply.timeline,
        preface=preface,
        language=parts.language,
        filler=parts.filler,
        first=request.first,
    )
