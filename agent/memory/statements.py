"""The forms in which an agent says that something was done: a list of what is one, and not of what is none.

What can make "the table is booked" mean something else has no end ("supposedly", "as far as I know", "on paper", "the
day you pay", "or so I was told"), so it is not listed. A sentence counts when *every* word of it has its place in one
of the forms below: what may open it, a name for a thing, its verb, what may follow. All else is left out.

The forms are regular expressions over the letters of `tagged.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from agent.memory.sentences import SpokenSentence, asks, plain_words
from agent.memory.tagged import Tagged, tagged

_NOUN = "[NLQUVGS]"
_PHRASE = rf"[dthyaq]{{0,2}}{_NOUN}{{1,7}}"  # "your next lesson", "all three", "Leo's cleaning", "room 5"
_TIED = rf"(?:[fTnjkgwmlvO](?:{_PHRASE}|[ueho]))"  # "for Jonas", "with Dr. Lee", "on Friday"
_ASIDE = r"(?:,[nk]?[dVGUfTlmnkwO&]{1,8},)?"  # "Airport Auto, Saturday at 10 am, is booked"
_NAME = rf"(?:{_PHRASE}{_TIED}{{0,5}})"
_THING = rf"(?:{_NAME}{_ASIDE}|[petduq]|q[up])"
_THINGS = rf"(?:(?!a)(?!V)(?:{_NAME}|u)&(?!a)(?!V)(?:{_NAME}|u))"
_DONE = rf"(?:(?:{_THING}|q)(?:[BE]|HA*b)[Aq]*R|{_THINGS}(?:E|HA*b)[Aq]*R|{_PHRASE}(?<=S)A*R)"
_DONE_THEN = rf"(?:{_THING}|{_THINGS})WA*R"  # "was", of a time that is told
_MEANT = rf"{_PHRASE}(?:O{_PHRASE}|f[dyh]?[NLUVS]{{1,4}})?"  # what an act is done to: "the key of locker 7"
_DONE_BY_US = rf"iH?A*(?:C&A*)?R(?:{_MEANT}|[petuhoq])?"
_SHORT_FORM = r"A*R"

_WHOM = r"(?:[uoeh]|[dhyq]{1,2}[NLUVGS]{1,4}|V{1,4}[NLU]{0,3}|[NL]V{1,3}|G{1,3}|U{1,4})"
_WHEN = r"(?:[VG]{1,4}N?|[d][VG]{1,4})"
_FOLLOWS = (
    r"A(?:[dhy]L)?|Y|v(?:[dhy][NL]|U{1,3}|V{1,2})"
    rf"|f{_WHOM}(?:O{_PHRASE})?"
    rf"|T{_WHOM}"
    rf"|[mlv]{_WHEN}(?:&{_WHEN})?|mU{{1,3}}"
    r"|n[dhy][NU]{0,2}L|nU{1,3}"
    r"|j[dhy]U{0,2}L|jU{1,3}"
    r"|k(?:U{1,4}|V{1,3}(?!N))"
    r"|g(?:[dhy][NU]{0,2}L|U{1,4}|[dy]?[NL]?V{1,3})"
    r"|w(?:U{1,4}|[dhy][NU]{0,2}L(?:NjV)?)"
)
_SETTLED = r"|[nkj](?:V{1,4}|G{1,3})(?!N)"
_DONE_ON = r"|M|[nkjm]?(?:V{1,4}|G{1,3})(?!N)"  # "booked on Friday at 9"; "sent on Friday" is not yet
_PAST = r"(?:[AMY]|[nkj]?[VG]{1,4}(?!N))"


def _tail(more: str = "") -> str:
    return rf"(?:{_FOLLOWS}{more}){{0,6}}"


_SCHEDULED = frozenset(
    "booked reserved scheduled rescheduled arranged moved postponed shifted enrolled enroled changed switched".split()
    + "signed up,put down,put back,pushed back,brought forward,set up".split(",")
)
_ACT = re.compile(rf"(?:{_DONE}|{_DONE_BY_US}|{_SHORT_FORM}(?![NQ]))")
_ACT_THEN = re.compile(rf"{_DONE_THEN}(?={_PAST})")
_TAIL, _SETTLED_TAIL, _DONE_TAIL = (re.compile(_tail(more)) for more in ("", _SETTLED, _DONE_ON))
_TOLD = re.compile(  # "reference VB2281", "row F, seats 11 and 12", "the receipt is PL1904", "ready Friday at 3"
    r"[dyhf]{0,2}[NLQ]{0,3}B?(?:[nkjmlTgfv&w]?[dy]?[VGU]{1,5}[NL]?){1,4}"
)

_OPENS = re.compile(
    r"^(?:good news|sure thing|there you are|thanks for (?:waiting|your patience)|as (?:agreed|promised)|all done"
    r"|all set|all right|yes|yeah|yep|ok|okay|alright|right|sure|of course|certainly|gladly|absolutely|very well"
    r"|very good|great|good|perfect|lovely|wonderful|excellent|fine|super|well|oh|thanks|thank you|no problem"
    r"|no worries"
    r"|not at all|there we go|there you go|here we go|here you go|understood|noted|got it|done|then"
    r"|so|and|now|that worked|that works|it worked|it went through|that's it|that's settled(?: then)?|that's all"
    r"|you're all set|you're right|it's all set|as (?:requested|agreed|you asked|you wished)|yours truly"
    r"|no(?=[,:])|i'm afraid|unfortunately|sadly|(?:i've|i have) (?:checked|found it|got it|got you)"
    r"|i(?:'m| am) (?:happy|glad|pleased|sorry) to (?:say|tell you|confirm)(?: that)?"
    r"|i can (?:confirm|tell you)(?: that)?|i (?:can )?see here(?: that)?"
    r"|i can see (?:it|that)(?: here)?(?=,))\b[\s,.!:;–—-]*",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"^(?:[A-Z][\w'’-]+(?=, thank)|(?:Mr|Mrs|Ms|Dr|Miss)\.? [A-Z][\w'’-]+"
    r"|[A-Z][\w'’-]+ [A-Z][\w'’-]+|[A-Z0-9-]*\d[\w -]{0,12})[,:]\s+"
)
_KIND_WORDS = re.compile(
    r"(?:thank you|thanks|enjoy|all the best|have a|anything else|that's (?:all|it)|no problem|you're welcome|bye"
    r"|see you"
    r"|as (?:you )?(?:asked|requested|agreed|wished|wanted|discussed)|as of (?:today|now)|don't worry|congratulations"
    r"|good luck|free of charge|at no (?:charge|cost)|that's done|much appreciated|no charge"
    r"|i'm afraid$|(?:by an? )?(?:mr|mrs|ms|dr|miss)\b)[\w'. ]{0,40}",
    re.IGNORECASE,
)
_GOES_ON = re.compile(  # "…, it starts at 9 pm", "…, that's $6 a day", "…, you'll get an email"
    r"(?:and |so |then )?(?:(?:it|that|this|there|they)(?:'s| is| are|'re|'ll be| costs?| starts?| arrives?"
    r"| takes?| makes?)"
    r"|(?:the|your|his|her|their) [\w'-]+(?: [\w'-]+){0,3} (?:is|are|costs?|starts?|comes?|arrives?)"
    r"|(?:you|we|i)(?:'ll| will) (?:get|receive|find|send|email|text|call|hear)|you can|(?:please )?(?:put|bring"
    r"|keep|look|pick|ask for) (?:it|them|the|your|a))\b[^?]*",
    re.IGNORECASE,
)

_GOES_ON_TOO = re.compile(
    r"(?:and |so |then )?(?:(?:the|your|his|her|their|our|my|it|that|this|there|they|these|those|he|she|yours"
    r"|both|nothing"
    r"|all|everything)\b|(?:i|we)(?:'ve|'ll|'d have|'d need| have| will| could| can| can't| put| sent| don't| need)\b"
    r"|you(?:'ll|'re| can| are| get| pay| don't)\b|[$€£]\d[\d.,]* (?:is|was|has)|(?-i:[A-Z])[\w'-]+ (?:is|has"
    r"|starts|stays|comes|was)\b)[^?]*",
    re.IGNORECASE,
)
THINKS = re.compile(  # "…, I guess", "…, they say", "…, you said"
    r"\b(?:think|thought|guess|believe|hope|suppose|assume|gather|hear|heard|understand|reckon|fear|wonder|bet|imagine"
    r"|say|said|saying|told|tell|trust|expect|mean|meant|claim|read|promise|would say|seem|seems|know"
    r"|if|unless|once|provided|providing|assuming|supposing|pending|subject|condition|just)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=2_000)
def accomplished(text: str, participles: tuple[str, ...]) -> str | None:
    """The participle of an act that a sentence plainly says was done, or None when it has any other form.

    `participles` are the declared words of acts, of one or two words each.
    """
    rest = _opened(text)
    told = tagged(rest, participles)
    place = 0
    while place >= 0:
        found = _act_at(told, place)
        if found is not None:
            word, end = found
            return word if _followed(rest, told, end) else None
        place = _next(told, place)
        if place > 0 and not _led(rest, told, place):
            return None
    return None


_WAS, _WHEN_DONE = re.compile("WA*R"), re.compile(_PAST)


_SUPPOSED = re.compile(
    r"^(?:\w+[,:] )?(?:if|suppose|supposing|imagine|picture|say\b|let's say|assume|assuming|once|here(?:'s"
    r"| is) (?:how|what)"
    r"|this is how|that's how|how it works|unless|for example|normally|usually)\b",
    re.IGNORECASE,
)
A_DAY = r"(?:on|at|by|from|next|this|in|around|about) |\w+day\b|tomorrow|\d"  # "… is late. Maybe next Thursday."
_TURNS_ROUND = re.compile(
    r"^(?:(?:no|nope|not|wait|sorry|oops|well)[,.!…]|not (?:yet|really|quite|so|entirely)\b|or\b|just kidding|kidding"
    r"|at least|scratch|hang on|hold on|correction|that's wrong|that was|i mean\b|though|except|assuming"
    r"|hopefully"
    rf"|(?:maybe|perhaps)\b(?! (?:{A_DAY}))|i (?:hope|think|guess|believe)|or so\b"
    r"|provided|unless|only (?:if|when|once)|in theory|on paper"
    r"|allegedly"
    r"|actually|supposedly|if(?: \w+){1,4}\.$)",
    re.IGNORECASE,
)


def turned_round(told: Sequence[SpokenSentence], place: int) -> bool:
    """Whether the sentences beside one of an answer make it a supposition or take it back."""
    if place and asks(told[place - 1].text) and _IN_THAT_CASE.match(told[place].text):
        return True
    if any(_SUPPOSED.search(plain_words(one.text)) for one in told[max(0, place - 2) : place] if not asks(one.text)):
        return True
    after = told[place + 1].text.rstrip(".!?… ") if place + 1 < len(told) else ""
    return bool(after) and (_TURNS_ROUND.search(after + ".") or _SHALL.match(after)) is not None


_IN_THAT_CASE = re.compile(r"(?:then|in that case)\b", re.IGNORECASE)  # "Delete it? Then it is gone for good."
_SHALL = re.compile(r"(?:so,? )?(?:shall|should) (?:i|we)(?: (?:do (?:it|that|so)|go ahead|proceed))?$", re.IGNORECASE)


def _opened(text: str) -> str:
    rest = text.replace("’", "'").strip().rstrip(".!… ")
    while True:
        opened = _OPENS.match(rest)
        after = rest[opened.end() :] if opened else rest
        if opened and not after:
            after = rest  # "Done." says it all
        called = _CALLED.match(after)
        after = after[called.end() :] if called else after
        if after == rest:
            return rest
        rest = after


def _act_at(told: Tagged, place: int) -> tuple[str, int] | None:
    """The act that begins at a letter: its participle, and the letter behind what may follow it."""
    match = _ACT.match(told.letters, place) or _ACT_THEN.match(told.letters, place)
    if match is None:
        return None
    word = told.words[told.letters.rindex("R", place, match.end()) if "R" in match[0] else place]
    short = match[0].strip("A") == "R"
    if short and place:
        return None
    tail = _tail_of(match[0], word if not short else "booked")
    return word, tail.match(told.letters, match.end()).end()  # type: ignore[union-attr]


def _tail_of(letters: str, word: str) -> re.Pattern[str]:
    """What may follow an act: a day alone only where the act is over, or where its thing has a day."""
    if "W" in letters or "b" in letters or letters[:1] == "i":
        return _DONE_TAIL
    return _SETTLED_TAIL if word in _SCHEDULED else _TAIL


def _next(told: Tagged, place: int) -> int:
    """The letter behind the next comma, "and" or "so", or -1."""
    found = re.compile("[,&s]+").search(told.letters, place)
    return found.end() if found is not None and found.end() < len(told.letters) else -1


def _led(text: str, told: Tagged, place: int) -> bool:
    """Whether what stands before a letter is itself a statement of how things are."""
    parts = [part for part in re.split("[,&s]+", told.letters[:place]) if part]
    checked = _CHECKED.match(text) is not None
    stays = _STAYS.match(text) is not None
    return all(((checked or stays) and not at) or _STANDS.fullmatch(part) for at, part in enumerate(parts))


_STANDS = re.compile(
    rf"{_THING}(?:[BEW]A*[NRLAfj][^x]{{0,12}}|H[aNL][^x]{{0,12}})|{_DONE}[^x]{{0,12}}|{_DONE_BY_US}[^x]{{0,12}}"
)
_STAYS = re.compile(
    r"(?:(?:the|your|his|her) )?[\w'-]+(?: [\w'-]+)? (?:starts|stays|remains|begins|ends|costs) ", re.IGNORECASE
)
_CHECKED = re.compile(r"(?:i've|i have|we've|we have) (?:checked|looked|seen)\b[\w' ]{0,30},? and\b", re.IGNORECASE)


def _followed(text: str, told: Tagged, end: int, *, claimed: bool = False) -> bool:
    """Whether nothing behind an act could turn it round; behind what is `claimed`, other statements may follow too."""
    letters = told.letters
    while end < len(letters):
        if letters[end] not in ",&s":
            return False
        start = end + 1
        while start < len(letters) and letters[start] in ",&s":
            start += 1
        if start >= len(letters):
            return True
        more = _act_at(told, start) or (re.match(r"A*R", letters[start:]) and _more(told, start))
        if more:
            end = more[1]
            continue
        words = text[told.starts[start] :]
        placed = _TAIL.match(letters, start)
        if placed is not None and placed.end() > start and (letters[placed.end() :][:1] or ",") in ",&s":
            end = placed.end()
            continue
        valued = _TOLD.match(letters, start)
        upto = _TAIL.match(letters, valued.end()).end() if valued is not None else 0  # type: ignore[union-attr]
        if valued is not None and (upto == len(letters) or letters[upto] in ",&s"):
            end = upto
            continue
        return bool(
            _KIND_WORDS.fullmatch(words)
            or _GOES_ON.fullmatch(words)
            or (claimed and _GOES_ON_TOO.fullmatch(words) and not THINKS.search(words))
        )
    return True


def _more(told: Tagged, start: int) -> tuple[str, int]:
    """A further participle of the same act ("is booked and paid")."""
    place = told.letters.index("R", start)
    return told.words[place], _TAIL.match(told.letters, place + 1).end()  # type: ignore[union-attr]
