"""What an utterance of the caller does with what was said before: correct it, come back to it, ask for one more."""

from __future__ import annotations

import re

from agent.memory.sentences import asks

_RETURN = re.compile(
    r"\b(?:go|get|going|come|coming|circle|head)\s+back\s+to\b|\bback to\b|\breturn(?:ing)? to\b|\babout (?:that"
    r"|the|my)\b|\bregarding\b"
    r"|\b(?:you|we|i)(?: have| had|'ve)?(?: just| previously| already)? (?:found|mentioned|talked about|discussed"
    r"|suggested|gave|located|arranged|booked|said|spoke)\b"
    r"|\bdid (?:we|you|i) (?:say|book|arrange|agree|settle|decide|do|note)\b"
    r"|\bearlier\b|\bfrom before\b|\bagain\b|\bafter all\b",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"\bactually\b|\binstead\b|\bmake (?:it|that)\b|\bchange\b|\brather\b|\bmove\b|\bafter all\b|\bbetter than\b"
    r"|\bi meant?\b",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"\b(?:another|also|as well|too|one more|(?<!for )a (?:second|third) \w+|something else|some other"
    r"|a different|an additional)\b",
    re.IGNORECASE,
)
_CANCEL = re.compile(r"\b(?:cancel\w*|call (?:it|that) off)\b", re.IGNORECASE)
_NOT_CANCEL = re.compile(r"(?:n't|\bnot|\bnever)\b[^,.;]{0,24}\bcancel", re.IGNORECASE)
_REFUSAL = re.compile(r"^\s*(?:no|nope|not)\b", re.IGNORECASE)
_AGREEMENT = re.compile(
    r"^\s*(?:yes|yeah|yep|sure|ok|okay|correct|right|perfect|great|go ahead|that works|sounds good)\b", re.IGNORECASE
)


def corrects(text: str) -> bool:
    """Whether the caller changes something said before ("actually make it seven")."""
    return _CORRECTION.search(text) is not None


def comes_back(text: str) -> bool:
    """Whether the caller goes back to something said before ("back to the billing thing")."""
    return _RETURN.search(text) is not None


def asks_for_another(text: str) -> bool:
    """Whether the caller asks for one more thing of a kind ("another table", "my son needs one as well")."""
    return _ANOTHER.search(text) is not None


def intent_of(text: str) -> str:
    """What a turn does: one of the intents named at `Question.intent`."""
    if _CANCEL.search(text) and not _NOT_CANCEL.search(text):
        return "cancel"
    if corrects(text):
        return "correct"
    if comes_back(text):
        return "return"
    if asks(text):
        return "ask"
    if _REFUSAL.match(text):
        return "refuse"
    return "agree" if _AGREEMENT.match(text) else "tell"
