"""Turns the model's text, as it streams, into text that a voice can read.

`Speakable.feed` takes deltas of any size; `finish` ends the reply. Both return `TextPiece`s: about a word each, with
what was written (for the transcript) and what is to be said (for the voice). Where the stream was cut makes no
difference: text is taken in character by character, and every decision depends only on the characters so far.

What is held back: a word leaves as soon as the space after it is there, or at once when it is plain letters and ends in
a comma, semicolon, question or exclamation mark. Words whose reading depends on what follows ("St.", "$5", "2:00") wait
for the next character or the next word. Never more than `HOLD_LIMIT` characters are held.

Markdown is not spoken: emphasis, headings, bullets, quotes and table bars are left out, and the end of a heading, list
item, table row or paragraph ends the sentence; of a link the text is said, of a code fence nothing. Nor are emoji.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from agent.text_normalization.language import SYMBOLS, spoken_language
from agent.text_normalization.lookahead import LOOKAHEAD_LIMIT, WAIT, WORD_LIMIT, Ahead, ReadAhead
from agent.text_normalization.numbers import PHONE_RUN, PHONE_RUN_LIMIT, phone, phone_length
from agent.text_normalization.words import PAUSE_MARKS, SENTENCE_MARKS, read_word

HOLD_LIMIT: Final = WORD_LIMIT + LOOKAHEAD_LIMIT
"""Characters held back at most: one word and what its reading may wait for."""

_SPACE_LIMIT: Final = 64
_LINK_LIMIT: Final = 500  # characters of a link's target; a bracket that is never closed silences no more than that
_MARKS: Final = SENTENCE_MARKS + PAUSE_MARKS
_UNSPACED: Final = ("", *"。！？，、；：")  # no space is said after these; "" is the start of the reply
_CHUNK: Final = re.compile(r"[^\s|`\[\]—]+")
_SURE_END: Final = re.compile(rf"[*_\"(]*[^\W\d_]+(?:'[^\W\d_]+)*[,!?;]|.*[{SENTENCE_MARKS[4:]}{PAUSE_MARKS[3:]}]")
_LIST_MARKER: Final = re.compile(r"[-*+•‣◦·]|#{1,6}|>+")
_NUMBER_MARKER: Final = re.compile(r"[0-9]{1,2}[.)]")
_RULE: Final = re.compile(r"-{3,}|\*{3,}|_{3,}|={3,}|:?-{2,}:?")
_NEW_LINE_STARTS: Final = "-*+•‣◦·#>|`=_0123456789"
_ENDS_WORD: Final = frozenset(" \t\n|`[],!?;—")
_TYPOGRAPHY: Final = {"’": "'", "‘": "'", "“": '"', "”": '"', "‑": "-", "‐": "-", "−": "-", "\r": " "}
_SIGNS: Final = frozenset({*SYMBOLS, "¢"})  # of money; others are not said
_DROPPED: Final = "\x7f"


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A part of the reply, about one word: as the model wrote it, and as it is said ("" for what is not said).

    The `written` of all pieces joined is the model's text, to the character. The `spoken` joined is what the voice
    reads: a piece brings the space before it along.
    """

    written: str
    spoken: str


class _Mode(Enum):
    TEXT = auto()
    FENCE = auto()
    LINK = auto()
    REST_OF_WORD = auto()


class Speakable:
    """Takes the deltas of one reply and returns its pieces; one object per reply.

    language: what the reply is spoken in, ISO 639-1.
    """

    def __init__(self, language: str = "en") -> None:
        self._raw = ""  # what is held back, as written
        self._text = ""  # the same, one character for one, with plain quotes and spaces for emoji
        self._mode = _Mode.TEXT
        self._waiting = False  # the first word is complete, its reading depends on what follows
        self._line_start = True
        self._in_block = False  # a heading, list item or table row: the end of its line ends the sentence
        self._fence_open = False  # inside a fence, after its opening run of backticks
        self._brackets = 0  # open ones in the target of a link
        self._link_length = 0
        self._glued = False  # no space since the last piece that was said
        self._last = ""  # the last character said
        self._owes_pause = False  # after a ")": said with the next word, unless a mark or the end comes first
        self._context = ReadAhead(language=spoken_language(language))

    @property
    def held(self) -> int:
        """How many characters are held back, at most `HOLD_LIMIT`."""
        return len(self._raw)

    def feed(self, delta: str) -> list[TextPiece]:
        """Takes the next part of the model's text, of any length; returns the pieces that are decided by now."""
        pieces: list[TextPiece] = []
        for char in delta:
            plain = _plain(char)
            self._raw += char
            self._text += plain
            quiet = self._mode is _Mode.TEXT and not self._waiting and plain not in _ENDS_WORD
            if quiet and (plain.isascii() or plain.isalnum()) and len(self._text) < WORD_LIMIT:
                continue
            self._run(pieces, closed=False)
        return pieces

    def finish(self) -> list[TextPiece]:
        """Ends the reply; returns the pieces that were held back."""
        pieces: list[TextPiece] = []
        self._run(pieces, closed=True)
        return pieces

    def _run(self, pieces: list[TextPiece], *, closed: bool) -> None:
        while self._text:
            match self._mode:
                case _Mode.TEXT:
                    piece = self._step_text(closed)
                case _Mode.FENCE:
                    piece = self._step_fence(closed)
                case _Mode.LINK:
                    piece = self._step_link(closed)
                case _Mode.REST_OF_WORD:
                    piece = self._step_rest_of_word(closed)
            if piece is None:
                return
            pieces.append(piece)

    def _take(self, length: int, spoken: str = "") -> TextPiece:
        """Releases the first `length` characters; says `spoken` with the space or without it that belongs before it."""
        written = self._raw[:length]
        self._raw, self._text = self._raw[length:], self._text[length:]
        self._waiting = False
        owes_pause, spoken = spoken.endswith(")"), spoken.rstrip(")")
        if spoken and self._owes_pause and spoken[0] not in _MARKS:
            spoken = f", {spoken}"
        if spoken or owes_pause:
            self._owes_pause = owes_pause
        if spoken and spoken[0] in _MARKS and not self._in_word():
            spoken = spoken.lstrip(" " + _MARKS)  # a mark follows a word, and only one does
        if spoken:
            loose = self._last not in _UNSPACED and not self._glued and spoken[0] not in _MARKS
            self._last = spoken[-1]
            self._glued = self._in_word()
            if self._last in SENTENCE_MARKS:
                self._context.restart()
            spoken = f" {spoken}" if loose else spoken
        return TextPiece(written, spoken)

    def _in_word(self) -> bool:
        """Whether the last that was said is a word, to which a mark can be put."""
        return self._last != "" and self._last not in _MARKS

    def _step_text(self, closed: bool) -> TextPiece | None:
        """The next piece of ordinary text; None while more is needed."""
        text = self._text
        if text[0].isspace():
            return self._step_space(closed)
        if text[0] in "|`[]—":
            return self._step_symbol(text[0], closed)
        if text[0] in "+(0123456789" and (length := self._phone_length(closed)) != 0:
            return None if length is None else self._say(text[:length], phone(text[:length]))
        return self._step_word(closed)

    def _step_space(self, closed: bool) -> TextPiece | None:
        """Spaces and line ends: the end of a paragraph, heading, list item or row ends the sentence."""
        length = len(self._text) - len(self._text.lstrip())
        space, following = self._text[:length], self._text[length : length + 1]
        if not following and not closed and length < _SPACE_LIMIT:
            return None
        self._glued = False
        if "\n" not in space:
            return self._take(length)
        starts = not following or following in _NEW_LINE_STARTS or following.isupper()
        ends_sentence = self._in_block or space.count("\n") > 1 or starts
        self._line_start, self._in_block = True, False
        if not ends_sentence:
            return self._take(length)
        piece = self._take(length, "." if following or not closed else "")
        self._context.restart()
        self._glued = False
        return piece

    def _step_symbol(self, symbol: str, closed: bool) -> TextPiece | None:
        """Table bars, backticks, brackets and long dashes."""
        text, line_start = self._text, self._line_start
        after = text[1:2]
        if symbol == "`":
            return self._step_backticks(closed)
        if symbol in "]|" and not closed and not after.strip(" \t"):
            rest = text[1:].lstrip(" \t") if symbol == "|" else after
            if not rest and len(text) < _SPACE_LIMIT:
                return None
        self._line_start = False
        if symbol == "—":
            piece = self._take(1, ",")
            self._glued = False
            return piece
        if symbol == "|":
            self._in_block = self._in_block or line_start
            ends_row = text[1:].lstrip(" \t")[:1] in ("", "\n")
            piece = self._take(1, "" if ends_row else ",")
            self._glued = False
            return piece
        if symbol == "]" and after == "(":
            self._mode, self._brackets, self._link_length = _Mode.LINK, 0, 0
            return self._take(1)
        return self._take(1)

    def _step_backticks(self, closed: bool) -> TextPiece | None:
        run = len(self._text) - len(self._text.lstrip("`"))
        if run < 3 and run == len(self._text) and not closed:
            return None
        self._line_start = False
        if run < 3:
            return self._take(run)
        self._mode, self._fence_open = _Mode.FENCE, False
        return self._take(3, ".")

    def _step_fence(self, closed: bool) -> TextPiece | None:
        """Code is not said; released in silence up to the closing backticks."""
        text = self._text
        if not self._fence_open and text[0] == "`":
            return self._take(1)
        self._fence_open = True
        end = text.find("```")
        if end >= 0:
            self._mode, self._glued = _Mode.TEXT, False
            return self._take(end + 3)
        kept = len(text) - len(text.rstrip("`"))
        if closed:
            return self._take(len(text))
        return self._take(len(text) - kept) if len(text) - kept >= _SPACE_LIMIT else None

    def _step_link(self, closed: bool) -> TextPiece | None:
        """The target of a link is not said: "(…)" with inner brackets, ended by a line end at the latest."""
        char = self._text[0]
        self._brackets += (char == "(") - (char == ")")
        self._link_length += 1
        if self._brackets == 0 or char == "\n" or self._link_length > _LINK_LIMIT:
            self._mode = _Mode.TEXT
        return self._step_text(closed) if char == "\n" else self._take(1)

    def _step_rest_of_word(self, closed: bool) -> TextPiece | None:
        """The rest of an address that was too long to hold is not said."""
        found = _CHUNK.match(self._text)
        if found is None:
            self._mode = _Mode.TEXT
            return self._step_text(closed)
        return self._take(found.end())

    def _phone_length(self, closed: bool) -> int | None:
        """How long the phone number is that the text starts with, spaces included; 0 for none, None: not known yet."""
        found = PHONE_RUN.match(self._text)
        if found is None:
            return None if self._text in ("+", "(") and not closed else 0
        length = phone_length(found[0])
        undecided = found.end() < PHONE_RUN_LIMIT or length == found.end()
        if undecided and found.end() == len(self._text) and not closed:
            self._waiting = True
            return None
        return 0 if self._text[length : length + 1].isalnum() else length

    def _step_word(self, closed: bool) -> TextPiece | None:
        found = _CHUNK.match(self._text)
        if found is None:  # unreachable by construction: the caller has handled every other first character
            return self._take(1)
        chunk, length = found[0], found.end()
        complete = length < len(self._text) or closed or _SURE_END.fullmatch(chunk) is not None
        if length >= WORD_LIMIT and not complete:
            return self._take_part(chunk)
        if not complete:
            return None
        ahead = Ahead(self._text[length:], closed)
        if chunk == "!" and ahead.text[:1] == "[":  # an image: only its description is said
            return self._take(length)
        marker = self._read_marker(chunk, ahead) if self._line_start else None
        if marker == "":
            return self._take(length)
        spoken = marker or read_word(chunk.replace(_DROPPED, ""), self._context, ahead)
        if spoken == WAIT:
            self._waiting = True
            return None
        return self._say(chunk, spoken)

    def _say(self, chunk: str, spoken: str) -> TextPiece:
        self._line_start = False
        self._context.push(chunk.strip("*_\"'()[]{}<>.,!?;:~"), paused=spoken[-1:] in tuple(_MARKS))
        return self._take(len(chunk), spoken)

    def _take_part(self, chunk: str) -> TextPiece:
        """The first part of a word that is too long to wait for its end."""
        if "://" in chunk or chunk.startswith("www."):
            self._mode = _Mode.REST_OF_WORD
        spoken = read_word(chunk.replace(_DROPPED, ""), self._context, Ahead("", closed=True))
        return self._say(chunk, spoken)

    def _read_marker(self, chunk: str, ahead: Ahead) -> str | None:
        """What makes a line a heading, list item, quote or rule: "" or the item's number; None for a plain word."""
        if _RULE.fullmatch(chunk):
            return ""
        if _LIST_MARKER.fullmatch(chunk) and ahead.text[:1].isspace():
            self._in_block = True
            return ""
        if _NUMBER_MARKER.fullmatch(chunk):
            following = ahead.char()
            if following is None:
                return WAIT
            if following:
                self._in_block = True
                return f"{chunk[:-1]},"
        return None


def _plain(char: str) -> str:
    """One character for one: typographic quotes become plain, emoji a space, invisible characters one to drop."""
    if char.isascii():
        return char if char >= " " or char in "\n\t" else " "
    if char in _TYPOGRAPHY:
        return _TYPOGRAPHY[char]
    if char.isalnum() or char in "—–…°€£¥№":
        return char
    category = unicodedata.category(char)
    if category == "Cf" or char in "\ufe0f\ufe0e\u20e3" or (category == "Sc" and char not in _SIGNS):
        return _DROPPED
    return " " if category in ("So", "Sk", "Cs", "Co", "Cn", "Cc", "Zs", "Zl", "Zp") else char
