"""Calls with tools from end to end: a subset of the corpus, drawn by a seed. `make dialogues` plays all of it."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tools.dialogues.corpus import load, subset
from tools.dialogues.runner import play

SEED = int(os.environ.get("DIALOGUES_SEED", "18"))


def test_the_corpus_disturbs_every_moment_of_a_turn_and_no_two_dialogues_share_a_booking() -> None:
    corpus = load()
    assert len(corpus) >= 40
    assert max(Counter(one.name for one in corpus).values()) == 1
    assert max(Counter(one.place for one in corpus if one.place).values()) == 1
    found = {(one.disturb.what, one.disturb.at) for one in corpus if one.disturb is not None}
    moments = {"thinking", "running", "committed", "result", "speaking"}
    assert {(what, at) for what in ("barge_in", "reconnect", "kill") for at in moments} <= found
    assert {("fallback", at) for at in moments - {"committed"}} <= found


@pytest.mark.slow
async def test_whatever_befalls_a_call_its_bookings_are_made_once_and_told() -> None:
    rows = await play(subset(load(), SEED))
    assert {row.dialogue.name: (row.wrong, row.replies) for row in rows if row.wrong} == {}
