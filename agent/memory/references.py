"""What an utterance of the caller does with what was said before: correct it, come back to it, ask for one more."""

from __future__ import annotations

import re

from agent.memory.nodes import Question
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
_SHIFT = re.compile(
    r"\b(?:by the way|another question|different (?:question|topic)|something else|on another note|unrelated"
    r"|change the subject|quick question)\b",
    re.IGNORECASE,
)
_ANYTHING_ELSE = re.compile(r"\b(?:else|help|assist)\b", re.IGNORECASE)
_POINTS_BACK = re.compile(
    r"\b(?:there|same|usual|before|previous(?:ly)?|already|last|first|other"
    r"|(?:that|those|these|this) (?!month|week|year|morning|afternoon|evening|time|is|was|works?|sounds?|will|would)"
    r"[^\W\d]+"
    r"|(?:my|our|his|her|their) [^\W\d]+"
    r"|the (?!morning|afternoon|evening|night|end)[^\W\d]+)\b(?! of this)",
    re.IGNORECASE,
)
_POINTS_UNNAMED = re.compile(
    r"\b(?:mine|yours|ours|hers|theirs|both|either|neither|similar|likewise|ditto|whatever|whichever|unchanged"
    r"|(?:to|from|at|near|by|with|for) (?:it|him|her|them)"
    r"|(?:i|we|you|he|she|they)(?:['’]ve|['’]d| have| had)?(?: just)?"
    r" (?:told|gave|given|asked|picked|chose|chosen|agreed)"
    r"|(?:as|like) (?:agreed|planned|arranged|discussed|promised|always)"
    r"|(?:where|what) (?:i|we|you|he|she|they) (?!want|need|am\b|are\b|would\b)[^\W\d]+"
    r"|your (?:recommendation|suggestion|advice|offer|proposal|pick|choice)s?"
    r"|you (?:have|know|got) (?:it|that|them|those)|on (?:file|record)|ha(?:s|ve)n['’]t changed|no change)\b",
    re.IGNORECASE,
)
"""What is meant by these was said or arranged before, however little of it the words repeat."""
_NEW_ONE = re.compile(
    r"\b(?:need|want|looking for|look for|find|get|book|reserve|rent|order|like)(?: me| us)?(?: to \w+)? an? ",
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


def changes_subject(text: str) -> bool:
    """Whether the caller says that something else comes ("by the way", "another question")."""
    return _SHIFT.search(text) is not None


def points_back(text: str) -> bool:
    """Whether an utterance points at something that was named before ("there", "the same day", "like I told you")."""
    return any(one.search(text) for one in (_POINTS_BACK, _POINTS_UNNAMED)) or comes_back(text)


def asks_for_new(text: str) -> bool:
    """Whether the caller asks for a thing that there was no talk of yet ("I need a bus to Fresno at ten")."""
    return _NEW_ONE.search(text) is not None


def answers(last: Question | None, text: str) -> bool:
    """Whether an utterance answers what the agent just asked: then it is about nothing else."""
    asked = "" if last is None or last.interrupted else last.answer or ""
    open_end = _ANYTHING_ELSE.search(asked) or changes_subject(text) or asks_for_another(text)
    return asked.rstrip().endswith("?") and "?" not in text and not open_end


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
