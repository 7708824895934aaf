"""What a sentence does: does it state something, or ask, offer, promise, suppose or deny it?

Only plain statements may become facts, so every doubt is resolved against the statement: a sentence that could be read
as anything else is not one. The words are English; in other languages a question is known by its mark alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from agent.memory.flows import ActKind

_END = re.compile(r"[.?!…]+[\"”')\]]*(?=\s|$)|[。？！؟।]+")
_ABBREVIATION = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|St|No|Nr|Prof|vs|approx|e\.g|i\.e)|\b[A-Z])\.$")
_HALF_DAY = re.compile(r"\b[ap]\.\s?m\.$", re.IGNORECASE)
_QUESTION_END = re.compile(r"[?？؟][\"”')\]]*$")
_CLAUSE_END = re.compile(r"[,;:]\s+|\s[–—-]\s|,?\s+(?:and|but|so|then|while)\s+", re.IGNORECASE)

_OPENING = re.compile(
    r"^(?:(?:no problem|no worries|not at all|of course|all right|alright|okay|ok|sure|great|good|perfect|right|yes"
    r"|yeah|thanks|thank you|good news|well|there you go|certainly|gladly|absolutely|oh|and|so|then)\b[\s,.!:–-]*)+",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|once|when|whenever|as soon as|as long as|provid(?:ed|ing)|assum(?:e|ing)|suppos(?:e|ing|ed)"
    r"|in case|in the event|the moment|whether|would|'d|could|might|may(?! \d)|either|depending|on condition|otherwise"
    r"|imagine|let's say|subject to|pending|tentatively|provisionally|unconfirmed)\b",
    re.IGNORECASE,
)
_TIMED = re.compile(r"\b(?:after|before|until|till|only|by the time)\b", re.IGNORECASE)
_FUTURE = re.compile(
    r"\b(?:will|'ll|won't|going to|gonna|shall|should|about to|let me|let's|want(?:s|ed)? to|try|tries|tried|trying"
    r"|attempt\w*|plan\w*|intend\w*|must|can|can't|able to"
    r"|(?:need|have|has|had|ought|happy|glad|like|is|are|be|get|gets) to|wish\w*|want(?:s|ed)?)\b"
    r"|\b(?:is|are|was|were)\s+(?:being|to be)\b",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"\b(?:not|\w+n't|never|no|nothing|none|neither|nor|nobody|no one|without|cannot|fail(?:ed|s|ure)?|unable"
    r"|unsuccessful\w*|far from|yet to|hardly|barely|almost|nearly|as good as|declined|rejected|refused|bounced"
    r"|instead of|rather than|supposed|impossible|undone|mistake\w*|error\w*|wrong\w*)\b",
    re.IGNORECASE,
)
_BAD_NEWS = re.compile(r"\b(?:afraid|unfortunately|sadly|regret\w*|sorry|but|however|although|though|except)\b", re.I)
_HEDGE = re.compile(
    r"\b(?:seem\w*|appear\w*|looks? like|thinks?|thought|believes?|guess\w*|hop(?:e|es|ing)|probably|perhaps|maybe"
    r"|possibly|likely|apparently|allegedly|presumably|make sure|be sure|making sure|check (?:if|that|whether)"
    r"|see (?:if|that|it)|(?:you|they|he|she|it|who|somebody|someone|system|email|letter|note|page|screen) (?:\w+ )?"
    r"(?:sa(?:y|ys|id)|told|tell|claim\w*|mention\w*|wrote|promised)|according to|heard|expect\w*|waiting for"
    r"|in theory|normally|usually|typically|generally|always|often|sometimes|for example|as an example|everyone"
    r"|everybody|anyone|somebody else|someone else|others?|most|another (?:caller|customer|guest))\b",
    re.IGNORECASE,
)
_QUESTION_START = re.compile(
    r"^(?:who|whose|which|what|where|why|how|did|do|does|is|are|was|were|has|have|had|shall|should|would|could|can|will"
    r"|may|might)\b",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"\b(?:free|available|availability|open slot|opening|on offer|to choose from|how about|what about"
    r"|(?:we|i) (?:have|do|also have|still have|could|can)|there(?:'s| is| are)|either)\b",
    re.IGNORECASE,
)
_TAKEN = re.compile(
    r"\b(?:we|they|everything|all|every\w*|he|she|that (?:day|time|slot|one))(?:'re|'s| is| are) (?:all )?"
    r"(?:booked|reserved)\b(?! (?:for (?:you|your)|under|in your|on your))"
    r"|\b(?:fully|completely|already|solidly?|totally) (?:booked|reserved)\b"
    r"|\b(?:booked|reserved|ordered|sold|sent|paid|done|cancelled|delivered) (?:out|up|solid|by|through|over)\b",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"^(?:(?:oh|ah|um|uh|well|okay|ok|great|perfect)[\s,.!]+)*(?:yes|yeah|yep|yup|sure|correct|exactly|right"
    r"|that's right|that is right|ok|okay|go ahead|please do|do (?:it|that|so)|please|perfect|great|fine|sounds good"
    r"|that works|works for me|good|absolutely|of course|si|sí|oui|ja|sim|да)\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:no|nope|nah|neither|none|not|never|don't|doesn't|didn't|won't|can't|cannot|isn't|wait|hold on|stop"
    r"|instead|rather|actually|think about it|think it over|changed? my mind|forget it|skip|later"
    r"|too (?:late|early|expensive|much))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """One sentence of an utterance, verbatim, and where it stands."""

    text: str
    start: int
    ended: bool
    """Whether it has a full stop or the like; the last one of an answer that was cut short often has none."""

    @property
    def end(self) -> int:
        """The place behind its last character."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Act:
    """A sentence in which the agent says that something was done."""

    kind: ActKind
    text: str
    start: int


@lru_cache(maxsize=2_000)
def sentences(text: str) -> tuple[SpokenSentence, ...]:
    """The sentences of an utterance in order."""
    found: list[SpokenSentence] = []
    start = 0
    for match in _END.finditer(text):
        upto, after = text[start : match.end()], text[match.end() :].lstrip()
        if match.group().startswith(".") and (
            _ABBREVIATION.search(upto) or (_HALF_DAY.search(upto) and after[:1].islower())
        ):
            continue
        _add(found, text, start, match.end(), ended=True)
        start = match.end()
    _add(found, text, start, len(text), ended=False)
    return tuple(found)


def _add(found: list[SpokenSentence], text: str, start: int, end: int, *, ended: bool) -> None:
    words = text[start:end]
    trimmed = words.strip()
    if trimmed:
        found.append(SpokenSentence(trimmed, start + len(words) - len(words.lstrip()), ended))


@lru_cache(maxsize=2_000)
def clauses(text: str) -> tuple[tuple[int, str], ...]:
    """The clauses of a sentence with their places: parted at commas, dashes, "and", "but" and the like."""
    found: list[tuple[int, str]] = []
    start = 0
    for match in _CLAUSE_END.finditer(text):
        if text[start : match.start()].strip():
            found.append((start, text[start : match.start()]))
        start = match.end()
    if text[start:].strip():
        found.append((start, text[start:]))
    return tuple(found)


def plain_words(text: str) -> str:
    """A sentence without its opening interjections, apostrophes made one kind."""
    return _OPENING.sub("", text.replace("’", "'"))


def asks(sentence: str) -> bool:
    """Whether a sentence is a question: by its mark, or by a question word at its head."""
    return bool(_QUESTION_END.search(sentence)) or bool(_QUESTION_START.match(plain_words(sentence)))


def supposes(sentence: str) -> bool:
    """Whether a sentence tells of something that is so only under a condition, or is guessed or reported."""
    words = plain_words(sentence)
    return bool(_HYPOTHETICAL.search(words) or _HEDGE.search(words))


def promises(clause: str) -> bool:
    """Whether a clause tells of something that is still to come, wanted or tried."""
    return bool(_FUTURE.search(clause.replace("’", "'")))


def denies(text: str) -> bool:
    """Whether a text denies something."""
    return bool(NEGATION.search(plain_words(text)))


def timed(sentence: str) -> bool:
    """Whether a sentence is so only before or after something else, or only on a condition."""
    return bool(_TIMED.search(plain_words(sentence)))


def bad_news(sentence: str) -> bool:
    """Whether a sentence is about to take something back ("I'm afraid", "but")."""
    return bool(_BAD_NEWS.search(plain_words(sentence)))


def offers(sentence: str) -> bool:
    """Whether a sentence tells what there is to choose from."""
    return bool(_OFFER.search(plain_words(sentence)) or re.search(r"\w or \w", sentence))


def taken(sentence: str) -> bool:
    """Whether "booked" in a sentence means that there is no room ("we're booked", "fully booked", "booked out")."""
    return bool(_TAKEN.search(sentence.replace("’", "'")))


def agrees(reply: str) -> bool:
    """Whether the caller says yes to what was asked, and nothing against it."""
    return bool(_AGREES.search(reply.strip())) and not refuses(reply)


def refuses(reply: str) -> bool:
    """Whether the caller says anything that could be a no, a wait or a change."""
    return bool(_REFUSES.search(reply.replace("’", "'")))


def act_in(sentence: SpokenSentence, acts: Mapping[str, ActKind]) -> Act | None:
    """The confirmed act that a sentence of the agent states, or None when it could mean anything else."""
    text = sentence.text
    if asks(text) or supposes(text) or denies(text) or bad_news(text) or timed(text):
        return None
    if taken(text):
        return None
    for _, clause in ((0, plain_words(text)), *clauses(text)):
        found = _participle(plain_words(clause), tuple(acts))
        if found is None:
            continue
        word, own = found
        if not promises(own):
            return Act(acts[word], text, sentence.start)
    return None


def _participle(clause: str, words: tuple[str, ...]) -> tuple[str, str] | None:
    """The first participle of an act in a clause, and the clause up to its end."""
    match = _forms(words).search(clause)
    if match is None:
        return None
    word = next(group for group in match.groups() if group).lower()
    if word not in words:  # "put you down"
        first, *_, last = word.split()
        word = f"{first} {last}"
    return word, clause[: match.end()]


_OBJECT = r"(?:\s+(?:it|that|this|them|you|him|her|everything|both))?\s+"


@lru_cache(maxsize=16)
def _forms(words: tuple[str, ...]) -> re.Pattern[str]:
    """ "is booked", "has been booked", "I've booked", "I have put you down", and "Booked" at the head of a sentence."""
    longest = sorted(words, key=len, reverse=True)
    participles = "|".join(_OBJECT.join(re.escape(part) for part in word.split()) for word in longest)
    adverbs = r"(?:(?:now|just|all|already|both|also|successfully|officially|herewith|hereby|duly|safely)\s+)*"
    return re.compile(
        rf"(?:\b(?:is|are|am)|'s|'re|'m|\b(?:has|have|'s|'ve)\s+{adverbs}been|\bwas|\bwere)\s+{adverbs}({participles})\b"
        rf"|\b(?:i|we)(?:\s+have|'ve)?\s+{adverbs}({participles})\b"
        rf"|^{adverbs}({participles})\b(?=\s*(?:[,.!;:]|$|for\b|at\b|on\b|under\b|and\b|to\b))",
        re.IGNORECASE,
    )
