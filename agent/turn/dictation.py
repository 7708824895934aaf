"""Is somebody in the middle of a number, a spelling or a sentence? Then a short pause is not the end of the turn.

People dictate in groups with pauses between them ("oh one seven … six five five …"); recognisers that go by silence cut
there. Three single digits or letters in a row, a lead-in ("my number is"), or a last word that no sentence ends with
ask for more patience. A number that is long enough to be whole asks for none: ten digits for a telephone or an account,
four for what a business numbers itself (an invoice, an order, a room), since every caller who says one would wait.
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
    tokens = re.findall(r"\w+(?:['’]\w+)?", text.lower())
    if not tokens or text.rstrip().endswith("?"):
        return False
    if tokens[-1] in _UNFINISHED and not text.rstrip().endswith((".", "!")):
        return True
    digits, tokens_in_row, letters = _trailing_group(tokens)
    introduced = max(_LEAD_INS.finditer(text.lower()), key=lambda found: found.end(), default=None)
    if introduced is not None:
        after = text[introduced.end() :].strip(" .,:-")
        short = _SHORT_NUMBERS.search(text.lower()[: introduced.end()])
        whole = _WHOLE_NUMBER if short is None else _WHOLE_SHORT_NUMBER
        return not after or (0 < digits < whole and not letters) or (letters > 0)
    grouped = tokens_in_row >= 2 or tokens[-1].startswith("0")
    return (_SHORTEST_GROUP <= digits < _WHOLE_NUMBER and grouped) or letters >= _SHORTEST_GROUP


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
