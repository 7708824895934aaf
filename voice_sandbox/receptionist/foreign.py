"""Questions about the world at large: the receptionist knows its house, and a place or a day in them is no booking."""

from __future__ import annotations

import re
from typing import Final

_LEAD: Final = (
    r"^(?:(?:so|and|but|well|um|uh|ok|okay|hey|hi|hello|please|by the way|wait|actually|tell me|quick question)\b ?)*"
    r"(?:(?:can|could|would) you (?:please )?(?:tell me|say)|do you (?:happen to )?know|i wonder|any idea)?(?: if)? ?"
)
_ASKS: Final = re.compile(
    _LEAD + r"(?:(?:who|whos|whose|whom|what|whats|when|whens|where|wheres|why|which)\b"
    r"|how (?!about\b|are you\b)"
    r"|(?:is|are|was|were|did|does|has|have|had) (?!(?:it|that|this|there|you|we|they|my|our|the room|one)\b))"
)
_OFFERS: Final = re.compile(r"(?:what|how) (?:about|if)\b")
_HOUSE: Final = re.compile(
    r"\b(?:rooms?|book|booked|booking|bookings|reserv\w+|meeting|seats?|available|availability|free|possible|ok|okay|fine"
    r"|open|close|closed|house|desk|bills?|billing|invoices?|owe|charge|charged|refund|pay|payment|orders?|delivery"
    r"|package|parcel|shipped|shipping|arrive|tea|coffee|breakfast|wifi|wi fi|internet|password|weather|rain|raining"
    r"|sunny|music|song|your|you|i|me|my|we|our|us|it|that|this|one|ones|reference|cost|costs|price|prices|locations?)\b"
)


def is_foreign(words: str) -> bool:
    """Whether the words (as `plain` gives them) ask for something that no receptionist of a house knows."""
    lead = re.match(_LEAD, words)
    rest = words[lead.end() :] if lead else words
    return _ASKS.search(words) is not None and not _OFFERS.match(rest) and not _HOUSE.search(rest)
