"""What a sentence does: does it state something, or ask, offer, promise, suppose or deny it?

Only plain statements may become facts, so every doubt is resolved against the statement: a sentence that could be read
as anything else is not one. The words are English; in other languages a question is known by its mark alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agent.memory.words import NUMBER_WORDS

_END = re.compile(r"[.?!…]+[\"”')\]]*(?=\s|$)|[。？！؟।]+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|St|No|Nr|Prof|vs|approx|e\.g|i\.e)|(?<!\b[A-Z] )(?<!-)\b[A-Z]"
    r"|\b(?:den|der|dem|am|vom|zum|bis|ab) \d{1,2})\.$"
)
_HALF_DAY = re.compile(r"\b[ap]\.\s?m\.$", re.IGNORECASE)
_QUESTION_END = re.compile(r"[?？؟][\"”')\]]*$")
_CLAUSE_END = re.compile(r"[,;:]\s+|\s[–—-]\s|,?\s+(?:and|but|so|then|while)\s+", re.IGNORECASE)

_OPENING = re.compile(
    r"^(?:(?:no problem|no worries|not at all|of course|all right|alright|okay|ok|sure|great|good|perfect|right|yes"
    r"|yeah|thanks|thank you|good news|well|there you go|certainly|gladly|absolutely|oh|and|so|then)\b[\s,.!:–-]*)+",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|once(?!\s*(?:[.,;!]|$|an?\b|per\b|every\b|daily\b|more\b))|when|whenever|as soon as"
    r"|(?:as|so) long as|provid(?:ed|ing)|assum(?:e|ing)|suppos(?:e|ing|ed)"
    r"|in case|in the event|(?<!at )the moment|whether|would|'d|could|might|(?-i:may)(?! \d)|either|depending"
    r"|on condition|otherwise|where|wherever|imagine|let's say|i promise|subject to|pending|tentatively"
    r"|provisionally|unconfirmed)\b",
    re.IGNORECASE,
)
_TO_DO = re.compile(  # "sign here and it is done", "one more click and the form is sent"
    r"^(?:(?:just|simply|please|first|now|only)\s+)*(?:(?:one|another|a|your)(?: \w+){1,3}|(?:send|sign|pay|give|tell"
    r"|call|click|press|confirm|reply|bring|fill|say|show|let|come|go|wait|use|enter|type|drop|hand|mail|email"
    r"|e-mail|text"
    r"|provide|transfer|complete|visit|log|write|return|answer|read|spell|open|choose|pick|select|accept|agree|do|take"
    r"|put|ask|check|hold|stay|make|get|leave|swipe|scan|upload|deposit)\b[^.?!]*?),? and"
    r" (?:then )?(?:it|that|this|they|everything|all|the|your|a|an|you|we|i)\b",
    re.IGNORECASE,
)
_TO_COME = re.compile(  # "tomorrow the table is booked": a time at the head, then another subject
    r"^(?:tomorrow|tonight|later|soon|next \w+|by \w+|from \w+ on|in (?:an?|the|\w+) (?:\w+ )?(?:seconds?|minutes?"
    r"|hours?|moments?|days?|weeks?))(?: \w+)?,? (?:it|that|this|they|everything|the|your|a|an|we|i|you)\b",
    re.IGNORECASE,
)
_TIMED = re.compile(
    r"\b(?:(?:after|before|until|till)\b(?! (?:then|that)\b)(?!\s*(?:[.,;!?…]|$))|only|by the time)\b", re.IGNORECASE
)
_FUTURE = re.compile(
    r"\b(?:will|'ll|won't|going to|gonna|shall|should|about to|let me|let's|want(?:s|ed)? to|try|tries|tried|trying"
    r"|attempt\w*|plan(?:s|ned|ning)?|intend\w*|must|can|can't|able to"
    r"|(?:need|have|has|had|ought|happy|glad|like|is|are|be|get|gets) to(?! (?:say|tell you|confirm|report)\b)"
    r"|wish\w*|want(?:s|ed)?)\b"
    r"|\b(?:is|are|was|were)\s+(?:being|getting)\b|(?<!used )\bto (?:be|have been|get)\b",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"\b(?:not|\w+n't|never|no|nothing|nowhere|ceas(?:e|ed|es)|none|neither|nor|nobody|no one|without|cannot"
    r"|fail(?:ed|s|ure)?|unable|unsuccessful\w*|far from|yet to|hardly|barely|almost|nearly|as good as"
    r"|declined|rejected|refused|bounced"
    r"|instead of|rather than|supposed|impossible|undone"
    r"|(?<!\d )(?<!one )(?<!two )(?<!three )(?<!four )(?<!five )(?:mistake|error)\w*"
    r"|wrong\w*)\b",
    re.IGNORECASE,
)
_BAD_NEWS = re.compile(r"\b(?:afraid|unfortunately|sadly|regret\w*|sorry|but|however|although|though|except)\b", re.I)
_SPOKEN_NUMBER = rf"\b(?:one|{NUMBER_WORDS}|noon|midnight|tomorrow|today)\b"
_GONE_BACK_WITHIN = 120  # characters behind a value that may take it back
_GOES_BACK = re.compile(
    r"\s*[,–—-]*\s*(?:(?:no|nope|wait|sorry|oops|er|um|uh|hang on|hold on)\b\s*[,.…–-]+\s*)*"
    r"(?:no[,.]|(?:sorry|wait)\b(?=\s*[,…–-]+\s*(?!and\b|but\b)[^.?!]*(?:\d|(?-i:[A-Z])|(?-i:" + _SPOKEN_NUMBER + r")))"
    r"|i mean\b|i meant\b|rather\b|scratch that|make that|correction|oops)",
    re.IGNORECASE,
)
_REPAIRS = re.compile(
    r"\W*(?:(?:oh|ah|ach|och|ay|um|uh|er|hm+|or|well|gosh|ugh|argh)\b[\s,.…]*)*"
    r"(?:no|nope|wait|sorry|oops|actually|excuse me|pardon(?: me)?|my mistake|apologies|hang on|hold on)\b\s*[,.…–:-]",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:seem\w*|appear\w*|looks? like|thinks?|thought|believes?|guess\w*|hop(?:e|es|ing)|probably|perhaps|maybe"
    r"|possibly|likely|apparently|allegedly|presumably|make sure|be sure|making sure|check (?:if|that|whether)"
    r"|see (?:if|that|it)|(?:you|they|he|she|it|who|somebody|someone|system|email|letter|note|page|screen) (?:\w+ )?"
    r"(?:sa(?:y|ys|id)|told|tell|claim\w*|mention\w*|wrote|promised)"
    r"|says|tells|(?<!-)claims|reckons|insists|swears|assures|assumes|suggests?|according to|heard|expect\w*"
    r"|waiting for"
    r"|(?:was|were|am|been|is|i'm|we're) (?:told|informed|led to)(?!\s*(?:[.,;!]|$))|or so (?:i|we|they|he|she|it)"
    r"|in theory|normally|usually|typically|generally|always|often|sometimes|for example|as an example|everyone"
    r"|everybody|anyone|somebody else|someone else|others(?!')|other (?:people|callers|customers|guests)|most"
    r"|another (?:caller|customer|guest))\b",
    re.IGNORECASE,
)
_SOFTENED = re.compile(r", (?:okay|ok|all ?right)\?$", re.IGNORECASE)
_QUESTION_START = re.compile(
    r"^(?:who|whose|which|what|where|why|how|did|do|does|is|are|was|were|has|have|had|shall|should|would|could|can|will"
    r"|may|might)\b",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"\b(?:free|available|availability|open slot|an opening|openings|on offer|to choose from|how about|what about"
    r"|(?:we|i) (?:have(?! (?:now |just |already |also |both )*\w+(?:ed|en|ut|id|one|et|ent|ade)\b)|do"
    r"|also have(?! to\b)|still have(?! to\b)|could|can)"
    r"|there(?:'s| is| are)(?! (?:nothing|no|none|nobody)\b)|either)\b",
    re.IGNORECASE,
)
_DONE = re.compile(r"\bthat's (?:done|sorted|booked|arranged|settled|fixed)\b", re.IGNORECASE)
_CHOICE = re.compile(
    r"^or\b(?!,? (?:no|not|wait|rather|better|actually)\b)"
    r"|,? or (?:i|we|you|give|make|take|have|book|move|cancel)\b",
    re.IGNORECASE,
)
_TAKEN = re.compile(
    r"\b(?:is|are|was|were)(?: already| all| also)? (?:taken|gone|full)\b"
    r"(?! (?:off|out|over|on|to|under|in|care|from|by|down|up)\b)|"
    r"\b(?:we|they|everything|all|every\w*|he|she|that (?:day|time|slot|one))(?:'re|'s| is| are) (?:all )?"
    r"(?:booked|reserved)\b(?! (?:for (?:you|your)|under|in your|on your))"
    r"|\b(?:fully|completely|already|solidly?|totally) (?:booked|reserved)\b"
    r"|\b(?:booked|reserved|ordered|sold) (?:out|up|solid|through|over)\b"
    r"|\b(?:booked|reserved|ordered|sold|sent|paid|done|cancelled|delivered) (?:by\b(?! (?:\d|noon|midday"
    r"|midnight|tomorrow|tonight|today|then|now|the (?:\d|end)|next|half|mon|tue|wed|thu|fri"
    r"|sat|sun|jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec|one|two|three|four|five|six|seven|eight|nine|ten"
    r"|eleven|twelve)))",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"^(?:(?:oh|ah|um|uh|well|okay|ok|great|perfect)[\s,.!]+)*(?:yes|yeah|yep|yup|sure|correct|exactly|right"
    r"|that's right|that is right|ok|okay|go ahead|please do|do (?:it|that|so)|please|perfect|great|fine"
    r"|sounds (?:good|great|lovely|fine|perfect|nice)|that works|(?:that )?works for (?:me|us|both)|lovely|deal"
    r"|that's (?:fine|good|great|perfect|me|us)|i'll take (?:it|that|this|them|the)|let's do (?:it|that)"
    r"|good|absolutely|of course|si|sí|oui|ja|sim|да)\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:no|nope|nah|neither|none|not|never|don't|doesn't|didn't|won't|can't|cannot|isn't|wait|hold on|stop"
    r"|instead|rather|actually|think about it|think it over|changed? my mind|forget it|skip|later"
    r"|too \w+)\b",
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


@lru_cache(maxsize=2_000)
def sentences(text: str) -> tuple[SpokenSentence, ...]:
    """The sentences of an utterance in order."""
    found: list[SpokenSentence] = []
    start = 0
    for match in _END.finditer(text):
        upto, after = text[start : match.end()], text[match.end() :].lstrip()
        if match.group().startswith(".") and (
            (_ABBREVIATION.search(upto) and upto.strip() != "No.") or (_HALF_DAY.search(upto) and after[:1].islower())
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


def asks_by_mark(sentence: str) -> bool:
    """Whether a sentence that has its mark is a question ("What's left is $68." and "Should it rain, …." are none);
    one without is known by its words. It is for the agent's sentences: those of a recogniser may lack their marks.
    """
    return asks(sentence) and not sentence.endswith((".", "!")) and not _SOFTENED.search(sentence)


def supposes(sentence: str) -> bool:
    """Whether a sentence tells of something that is so only under a condition, or is guessed or reported."""
    words = plain_words(sentence)
    return any(form.search(words) for form in (_HYPOTHETICAL, _HEDGE, _TO_DO, _TO_COME))


def depends(sentence: str) -> bool:
    """Whether a sentence tells of something that is so only under a condition; a guess or a report does not."""
    words = plain_words(sentence)
    return any(form.search(words) for form in (_HYPOTHETICAL, _TO_DO, _TO_COME))


def promises(clause: str) -> bool:
    """Whether a clause tells of something that is still to come, wanted or tried."""
    return bool(_FUTURE.search(clause.replace("’", "'")))


def denies(text: str) -> bool:
    """Whether a text denies something."""
    return bool(NEGATION.search(plain_words(text)))


def timed(sentence: str) -> bool:
    """Whether a sentence is so only before or after something else, or only on a condition."""
    return bool(_TIMED.search(plain_words(sentence)))


def goes_back_on(after: str) -> bool:
    """Whether the words right behind a value take it back in the same breath (", no, sorry, $90")."""
    return _GOES_BACK.match(after.lstrip()[:_GONE_BACK_WITHIN]) is not None


def repairs(sentence: str) -> bool:
    """Whether a sentence puts right what was said right before it ("Sorry, no, $42", "Oh, excuse me, …")."""
    return _REPAIRS.match(sentence.replace("’", "'")) is not None


def bad_news(sentence: str) -> bool:
    """Whether a sentence is about to take something back ("I'm afraid", "but")."""
    return bool(_BAD_NEWS.search(plain_words(sentence)))


def is_done(sentence: str) -> bool:
    """Whether a sentence says of what it tells that it is done ("I can enter him for the 3rd, that's done")."""
    return _DONE.search(sentence) is not None


def offers(sentence: str) -> bool:
    """Whether a sentence tells what there is to choose from."""
    if is_done(sentence):
        return False
    return bool(_OFFER.search(plain_words(sentence)) or re.search(r"\w,? or \w|^or\b", sentence, re.IGNORECASE))


def is_choice(sentence: str) -> bool:
    """Whether a sentence gives another way to go ("or cancel it", "Or three months at half the price")."""
    return _CHOICE.search(plain_words(sentence)) is not None


def taken(sentence: str) -> bool:
    """Whether "booked" in a sentence means that there is no room ("we're booked", "fully booked", "booked out")."""
    return bool(_TAKEN.search(sentence.replace("’", "'")))


def agrees(reply: str) -> bool:
    """Whether the caller says yes to what was asked, and nothing against it."""
    return bool(_AGREES.search(reply.strip())) and not refuses(reply)


def refuses(reply: str) -> bool:
    """Whether the caller says anything that could be a no, a wait or a change."""
    return bool(_REFUSES.search(reply.replace("’", "'")))
