"""What topics and things are called for people to read: in words that were said, never in words of our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from agent.memory.nodes import STATUS, Graph, State, Topic
from agent.memory.sentences import plain_words
from agent.memory.words import STOP_WORDS, content_stems, stem

MAX_TITLE = 48  # characters
_PHRASE_WORDS = 4
_SUBJECT_WORDS = 5
_TAIL_WORDS = 3
_QUOTED, _SHORT = 32, 12  # characters
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[$€£]?\d[\d.,:]*\d|[.,;:?!]")
_COUNTS = frozenset("two three four five six seven eight nine ten".split())
_DETERMINERS = _COUNTS | frozenset("a an the my our your his her their this that some another one".split())
_VERB = re.compile(r"\s(?:is|are|has|have|was|were)\b|(?<=\w)['’](?:s|ve|re)\s(?=\w+ed\b)")
_TAILS = frozenset({"for", "with", "of", "to", "from", "at", "on"})
_ENDS = STOP_WORDS | frozenset(
    "at on for to from with of in by until till before after near between during without under today tomorrow tonight"
    " yesterday now please because when if that which who where so or but not again too also still as well"
    " around about up off back ready first once ahead alone already anyway next last else"
    " monday tuesday wednesday thursday friday saturday sunday morning afternoon evening".split()
)
_VERBS = frozenset(
    stem(word)
    for word in "book reserve order find look make get need want like change move cancel check help ask know see try"
    " take give tell pay send buy rent call speak talk come go say do have be start stop use put keep show bring open"
    " close arrange schedule search suggest recommend confirm work seem happen wonder hope leave lose lost break"
    " drive come coming broke came went said got did forgot paid sound".split()
)
_EMPTY = frozenset(
    stem(word)
    for word in "one question thing minute moment second way bit lot favour favor problem kind sort number time day"
    " date same other total hello hi hey morning afternoon evening okay yes yeah yep no good great fine perfect sure"
    " right sorry wait hold oh uh um hmm thanks name order something anything help information idea case"
    " week month year weekend hour end best cost wide cheap near part rest few couple".split()
)
_WEAK = frozenset(content_stems("appointment booking reservation ticket tickets number total"))


def topic_title(graph: Graph, topic: Topic) -> str:
    """What a topic is called: its declared subject, else the first thing that the caller named in it."""
    said = [q.text for turn in topic.questions if (q := graph.question(turn)) is not None and q.text]
    folded = [line.partition("] ")[2].partition(" / ")[0] for line in topic.gist]
    named = next((state.name for state in graph.states_of(topic) if state.name), "")
    answers = [q.answer or "" for turn in topic.questions[:_LOOKED_AT] if (q := graph.question(turn)) is not None]
    spoken = _most_spoken_of([*folded, *said][:_LOOKED_AT], answers)
    return spoken or topic.subject or named or _quote([*folded, *said])


def state_title(graph: Graph, state: State) -> str:
    """What a thing is called: its name, else what the act that it is known by was done to, else what was asked for."""
    if state.name:
        return state.name
    told = next((slot for slot in (*state.slots, *state.past) if slot.name == STATUS), None)
    if told is None:
        return _quote(slot.words for slot in state.slots)
    asked = [
        question.text for turn in range(told.turn, told.turn - 3, -1) if (question := graph.question(turn)) is not None
    ]
    found = _subject(told.words) or _phrase(told.words)
    if not set(content_stems(found)) - _WEAK:
        found = _first_phrase(asked) or found  # "the reservation": of what, the caller said
    return found or _quote([told.words])


def _most_spoken_of(said: list[str], answers: list[str]) -> str:
    """The phrase of the caller whose words most utterances share; the first of several such."""
    phrases = [phrase for text in said for phrase in _phrases(text)]
    spoken = [frozenset(content_stems(text)) for text in (*said, *answers)]

    def shared(phrase: str) -> int:
        words = set(map(_stem, _WORD.findall(phrase))) - _EMPTY - _VERBS
        return sum(bool(words & told) for told in spoken)

    return max(phrases, key=shared, default="")


def _subject(act: str) -> str:
    """What stands before the verb of an act when it names something ("Emma Brandt is …", not "Tuesday at 3 is …")."""
    verb = _VERB.search(plain_words(act))
    head = plain_words(act)[: verb.start()] if verb else ""
    words = _WORD.findall(re.split(r"[,;:.]\s", head)[-1])
    if words and words[0].lower() in _DETERMINERS:
        words = words[1:]
    named = [word for word in words if word.lower() not in _ENDS]
    if not named or len(words) > _SUBJECT_WORDS or words[0].lower() in _ENDS or not words[0][0].isalpha():
        return ""
    return _cut(" ".join(words)) if set(map(_stem, named)) - _EMPTY else ""


def _first_phrase(texts: Iterable[str]) -> str:
    return next((phrase for text in texts if (phrase := _phrase(text))), "")


def _phrase(text: str) -> str:
    """The first thing that a text names."""
    return next(_phrases(text), "")


def _phrases(text: str) -> Iterator[str]:
    """The things that a text names: what follows "a", "my", "two" and the like ("debit card", "two tickets")."""
    words = _WORD.findall(text[:400])
    most = 1 if words and words[0].lower() in _AUXILIARIES else _PHRASE_WORDS  # "can my wife drive": of my wife
    for place, word in enumerate(words):
        if word.lower() not in _DETERMINERS or (
            word.lower() in _POINTING and _stem("".join(words[place + 1 : place + 2])) in _VERBS
        ):
            continue
        phrase, end = _run(words, place + 1, most if place == 1 else _PHRASE_WORDS)
        plain_word = bool(phrase) and phrase[0][0].isalpha() and phrase[0].lower() not in _COUNTS
        if not plain_word or not set(map(_stem, phrase)) - _EMPTY - _VERBS:
            continue
        if end < len(words) and words[end].lower() in _TAILS:
            start = end + 1 + (words[end + 1 : end + 2] != [] and words[end + 1].lower() in _DETERMINERS)
            tail, _ = _run(words, start, _TAIL_WORDS)
            if tail and _ties(words, end) and set(map(_stem, tail)) - _EMPTY - _VERBS:
                phrase += words[end:start] + tail
        counted = [word] if word.lower() in _COUNTS else []
        once = [w for w, before in zip(phrase, ["", *phrase], strict=False) if w.casefold() != before.casefold()]
        if len("".join(once)) > 2 and not once[-1].endswith(("'s", "’s")):
            yield _cut(" ".join(counted + once))


def _ties(words: list[str], place: int) -> bool:
    """Whether "of", "for" or the like ties a name to one before it: "to Peter", not "to grey" or "on the 3rd"."""
    after = words[place + 1]
    named = after.lower() in _DETERMINERS - _COUNTS or after[0].isupper() or words[place].lower() not in ("to", "on")
    return named and all(word[0].isalpha() for word in words[place + 1 : place + 3])


_AUXILIARIES = frozenset("can could did do does will would should is are was were has have may".split())
_POINTING = frozenset({"that", "this"})
_NOUNS = frozenset({stem("order"), stem("check"), stem("call")})
_LOOKED_AT = 8  # turns of a topic


def _run(words: list[str], start: int, most: int) -> tuple[list[str], int]:
    """The words of one phrase from a place on, and the place behind them."""
    found: list[str] = []
    place = start
    while place < len(words) and len(found) < most:
        word = words[place]
        if not word[0].isalnum() or word.lower() in _ENDS or "'" in word.replace("’", "'").removesuffix("'s"):
            break
        if found and _stem(word) in _VERBS - _NOUNS and place > start:
            break
        found.append(word)
        place += 1
    return found, place


def _quote(texts: Iterable[str]) -> str:
    """The first text of more than a word, quoted; "the call starts" when nobody has said anything."""
    said = [text for text in texts if text.strip()]
    chosen = next((text for text in said if len(text) > _SHORT), said[0] if said else "")
    return f"“{_cut(chosen, _QUOTED)}”" if chosen else "the call starts"


def _stem(word: str) -> str:
    return next(iter(content_stems(word)), word.lower())


def _cut(text: str, most: int = MAX_TITLE) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
