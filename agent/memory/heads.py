"""Whether a statement begins plainly with what it is about: "The table is booked", and nothing before it.

What can stand before a statement and turn it round has no end ("supposedly", "as far as I know", "your wife told us",
"one click and"), so it is not listed: what may stand there is.
"""

from __future__ import annotations

import re

FINITE = re.compile(
    r"\b(?:is|are|(?<=i )am|was|were|has|have|had|stays?|stands?|remains?|starts?|begins?|continues?|goes|needs?|costs?"
    r"|ends?|\w+n't)\b|\b(?:it|that|this|there|here|he|she|who|what|everything|i|you|we|they)'(?:s|re|ve|m|d)\b",
    re.IGNORECASE,
)
_DETERMINERS = frozenset("the a an your our my his her their its this that these those".split())
_UNFINISHED = frozenset({"to", "that", "whether", "if", "not"})


_ARTICLES = frozenset("the a an your our my his her their".split())
