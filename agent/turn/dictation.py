"""Is somebody in the middle of a number, a spelling or a sentence? Then a short pause is not the end of the turn.

People dictate in groups with pauses between them ("oh one seven … six five five …"); recognisers that go by silence cut
there. Three single digits or letters in a row, a lead-in ("my number is"), or a last word that no sentence ends with
ask for more patience. What is whole as it stands asks for none, since every caller who says one would wait: ten digits
of a telephone or an account, four of what a business numbers itself (an invoice, an order, a room), and a quantity: a
time ("11:15", "half past 6"), a date, an amount, a fraction, a range. Right after a lead-in, where recognisers write
the first digits of a number as if they were a time, a quantity is taken for digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_DIGIT_WORDS: Final = frozenset(
    "zero oh one two three four five six seven eight nine double triple null eins zwei drei vier fünf sechs sieben acht"
    " neun zwo un deux trois quatre cinq sept huit neuf cero uno dos tres cuatro cinco seis siete ocho nueve".split()
)
_LEAD_INS: Final = re.compile(
    r"\b(number is|number's|phone is|email is|address is|name is|code is|spelled|spelt|account is|card is|"
    r"nummer ist|adresse ist|name ist|buchstabiert|numéro est|mon nom est|número es|correo es)\b"
)
_UNFINISHED: Final = frozenset(
    "and or but the a an my your is are at to of for with from because that so if in on und oder aber der die das ein"
    " eine mein ist mit für von weil et ou mais le la mon est avec pour y o pero el mi es con para um uh äh ähm"
    " euh".split()
)
_SHORTEST_GROUP: Final = 3  # digits or letters in a row
_WHOLE_NUMBER: Final = 10  # digits after which nothing has to come
_SHORT_NUMBERS: Final = re.compile(
    r"\b(invoice|bill|order|room|booking|reservation|reference|ticket|table|flight|case|customer|member|membership|"
    r"confirmation|house|pin|rechnungs|bestell|zimmer|buchungs|reservierungs|kunden|tisch|haus|commande|facture|"
    r"chambre|réservation|pedido|factura|habitación|reserva)[ -]?(number|nummer|no|code)?\b"
)
_WHOLE_SHORT_NUMBER: Final = 4


_MONTHS: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|mars|avril|juin"
    r"|juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre"
    r"|octubre|noviembre|diciembre)"
)
_DIGIT: Final = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_HOUR: Final = r"(?:[01]?\d|2[0-4])"
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_MONTH: Final = r"(?:0?[1-9]|1[0-2])"
_QUANTITIES: Final = re.compile(
    "|".join(
        (
            rf"{_HOUR}(?:[:. ]?[0-5]\d)? ?[ap]\.? ?m\b\.?",  # 5 p.m.
            rf"{_HOUR}(?::[0-5]\d){{1,2}}",  # 11:15
            rf"(?<=\bat ){_HOUR} [0-5]\d",  # at 11 15
            rf"(?<=\bat ){_DIGIT} (?:oh|zero) {_DIGIT}",  # at one oh five
            rf"{_MONTHS}\.? {_DAY}(?:,? (?:19|20)\d\d)?",  # May 5, 2026
            rf"{_DAY}\.? (?:of |de )?{_MONTHS}\.?(?:,? (?:de )?(?:19|20)\d\d)?",  # 5 May 2026
            rf"{_DAY}/{_DAY}(?:/(?:19|20)?\d\d)?",  # 12/05/2026
            rf"(?:19|20)\d\d-{_MONTH}-{_DAY}",  # 2026-05-12
            rf"{_DAY}\.{_MONTH}\.(?:19|20)\d\d",  # 12.05.2026
            r"[$£€] ?\d+(?:[.,]\d+)*(?: \d\d)?",  # $1,210
            r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d{1,2})?",  # 1,210
            r"(?:0|[1-9]\d*)[.,]\d{1,2}",  # 3.50
            r"(?:[1-9]\d? )?\d{1,2}/\d{1,2}",  # 1 1/2
            r"[1-9]\d?(?:-| ?– ?)[1-9]\d?",  # 3-4
        )
    ).join((r"(?<![\d.,:/-])(?<![\d] )(?:", r")(?![.,:/-]?\d)(?! \d)"))
)
_ANOTHER_CLAUSE: Final = frozenset(
    "i i'd i'm i'll i've we we'd we're we'll you can could would please want need ich wir bitte möchte je j'ai nous"
    " voudrais quiero necesito".split()
)
"""After one of these, what was led in is over ("my name is Jo and I'd like a table for 4")."""
_THINKING: Final = frozenset("think guess believe mean suppose".split())  # "my number is, I think, four one"
_SAYING: Final = frozenset(
    "think know sure say said says hope believe see mean means guess so such something everything anything is was"
    " now".split()
)
"""Words after which "that" begins a clause. After others ("I'm good with that") it ends one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How much silence ends a turn, in seconds. Both recognisers are held to it; a policy's knob."""

    usual_s: float = 1.2
    """Where the recogniser does not end the turn by itself."""
    dictation_s: float = 1.5
    """In the middle of a number, a spelling or a sentence, whatever the recogniser says."""

    def __call__(self, text: str) -> float:
        """The silence that ends a turn with these words."""
        return max(self.usual_s, self.dictation_s) if goes_on(text) else self.usual_s


USUAL_PATIENCE: Final = Patience()


def goes_on(text: str) -> bool:
    """Whether these words sound as if more were to come."""
    lower = text.lower().replace("’", "'")
    tokens = _tokens(lower)
    if not tokens or text.rstrip().endswith("?"):
        return False
    if _lacks_more(tokens) and not text.rstrip().endswith((".", "!")):
        return True
    introduced = max(_LEAD_INS.finditer(lower), key=lambda found: found.end(), default=None)
    if introduced is not None:
        after = lower[introduced.end() :].strip(" .,:-")
        digits, in_row, letters = _trailing_group(_tokens(after))
        if not _another_clause(_tokens(after)[: len(_tokens(after)) - in_row], introduced.group(1)):
            short = _SHORT_NUMBERS.search(lower[: introduced.end()])
            whole = _WHOLE_NUMBER if short is None else _WHOLE_SHORT_NUMBER
            return not after or (0 < digits < whole and not letters) or (letters > 0)
    tokens = _tokens(_QUANTITIES.sub("quantity", lower))
    digits, in_row, letters = _trailing_group(tokens)
    grouped = in_row >= 2 or tokens[-1].startswith("0")
    return (_SHORTEST_GROUP <= digits < _WHOLE_NUMBER and grouped) or letters >= _SHORTEST_GROUP


def _tokens(lower: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?", lower)


def _lacks_more(tokens: list[str]) -> bool:
    """Whether the last word is one that no sentence ends with."""
    if tokens[-1] == "that":
        return len(tokens) == 1 or tokens[-2] in _SAYING
    return tokens[-1] in _UNFINISHED


def _another_clause(between: list[str], lead_in: str) -> bool:
    """Whether what was led in is over, and something else was said since."""
    if lead_in in ("name is", "name ist", "mon nom est") and between:
        return True  # who has said a name goes on with no digits of it
    return any(
        word in _ANOTHER_CLAUSE and not set(between[place + 1 : place + 2]) & _THINKING
        for place, word in enumerate(between)
    )


def _trailing_group(tokens: list[str]) -> tuple[int, int, int]:
    """Digits, their tokens, and single letters that the text ends with."""
    digits = count = letters = 0
    for token in reversed(tokens):
        if token.isdigit():
            digits += len(token)
        elif token in _DIGIT_WORDS:
            digits += 1
        elif len(token) == 1 and token.isalpha():
            letters += 1
        else:
            break
        count += 1
    return digits, count, letters
