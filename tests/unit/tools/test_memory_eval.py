"""The memory eval on a fast subset: floors a little below what was measured, so that a change for the worse fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tools.evals import baselines, cost_measures, data, docs, measures, note_measures, value_measures, wrong_claims
from tools.evals.backref_cases import HELD_OUT, TEMPLATES, THIRD, cases
from tools.evals.memory import RECALL_SETS, RETURN_SETS, main

BLOCKS = baselines.SELECTORS["last 6 + BM25 8-turn blocks"]
SAMPLE_SLACK = 0.04  # on a third of the calls: the whole sets are compared by `make eval`


def probes_of(name: str, every: int) -> list[data.Probe]:
    read, files = RECALL_SETS[name]
    reason = data.missing(*files)
    if reason:
        pytest.skip(reason)
    return list(read())[::every]


@pytest.mark.parametrize(
    ("name", "every", "budget", "floor"),
    [
        ("QMSum val", 4, 2_000, 0.58),
        ("QMSum val", 4, 4_000, 0.79),
        ("SGD back-references, long calls", 3, 1_000, 0.91),
        ("SGD back-references, long calls", 3, 2_000, 0.92),
        ("SGD back-references, own dialogue", 20, 1_000, 0.99),
        ("MultiWOZ back-references", 6, 1_000, 0.99),
    ],
)
def test_evidence_recall_stays_and_keeps_up_with_blocks(name: str, every: int, budget: int, floor: float) -> None:
    probes = probes_of(name, every)
    ours = measures.memory_recall(probes)[budget].recall
    assert ours >= floor
    assert ours >= measures.baseline_recall(probes, BLOCKS)[budget].recall - SAMPLE_SLACK


def test_what_a_definite_name_points_at_is_recalled_among_many_of_its_kind() -> None:
    probes = probes_of("MultiWOZ back-references, long calls", 4)
    assert measures.memory_recall(probes)[2_000].recall >= 0.79


@pytest.mark.parametrize(("name", "every", "floor"), [("SGD dev", 4, 0.30), ("MultiWOZ val", 1, 0.15)])
def test_returns_are_put_back(name: str, every: int, floor: float) -> None:
    read, files = RETURN_SETS[name]
    reason = data.missing(*files)
    if reason:
        pytest.skip(reason)
    calls: Iterable[list[data.LabelledTurn]] = list(read())[::every]
    result = measures.returns(calls, measures.memory_topics)
    assert result.share >= floor
    assert 0.8 <= result.topics_per_subject <= 1.6


def test_chit_chat_gets_some_boundaries_right() -> None:
    reason = data.missing("topicseg/tiage_validation.jsonl")
    if reason:
        pytest.skip(reason)
    result = measures.Shifts()
    for talk, ends in data.tiage():
        result.add(ends[:-1], measures.memory_shifts(talk))
    assert result.scores[2] >= 0.21


@pytest.mark.parametrize("templates", [TEMPLATES, HELD_OUT, THIRD])
def test_constructed_back_references_find_their_values(templates: Path) -> None:
    made = cases(templates)[::4]
    assert len(made) >= 80
    assert value_measures.memory_values(made, 1_000).share_present >= 0.99


OWN = [case for case in note_measures.own_cases() if not case.held_out]
HELD_OUT_NOTES = [case for case in note_measures.own_cases() if case.held_out]


def noted(number: str) -> list[note_measures.NoteCase]:
    return list(note_measures.own_cases(note_measures.HERE / f"note_cases_{number}.toml"))


def given() -> list[note_measures.NoteCase]:
    reason = data.missing("calls/memory_cases.jsonl")
    if reason:
        pytest.skip(reason)
    return list(note_measures.given_cases())


@pytest.mark.parametrize(
    ("cases_of", "right", "false", "kept"),
    [
        (lambda: OWN, 48, 0, 128),
        (lambda: HELD_OUT_NOTES, 42, 0, 102),
        (lambda: noted("third"), 10, 0, 31),
        (lambda: noted("fourth"), 37, 2, 132),
        (lambda: noted("fifth"), 43, 2, 129),
        (lambda: noted("sixth"), 19, 0, 51),
        (lambda: noted("seventh"), 28, 1, 89),
        (lambda: noted("eighth"), 28, 0, 98),
        (lambda: noted("ninth"), 28, 0, 103),
        (lambda: noted("tenth"), 25, 1, 101),
        (lambda: noted("eleventh"), 21, 3, 138),
        (lambda: noted("twelfth"), 21, 3, 133),
        (given, 11, 1, 42),
    ],
)
def test_notes_hold_what_right_claims_point_at(
    cases_of: Callable[[], list[note_measures.NoteCase]], right: int, false: int, kept: int
) -> None:
    made = cases_of()
    assert note_measures.judge(made, claims=False).verdicts["false"] == 0
    for other in (0, note_measures.OTHER_TURNS):
        result = note_measures.judge(made, claims=True, other=other)
        assert result.kept >= kept
        assert result.verdicts["right"] >= right - (other > 0)
        assert result.verdicts["false"] <= false, result.names["false"]


@pytest.mark.parametrize(
    ("cases_of", "adding", "losing", "false"),
    [
        (lambda: OWN[::3], 0, 0, 0),
        (lambda: HELD_OUT_NOTES[::3], 0, 0, 0),
        (lambda: noted("third"), 0, 0, 0),
        (lambda: noted("fifth")[::2], 1, 6, 0),
        (lambda: noted("sixth"), 0, 3, 0),
        (given, 0, 3, 0),
    ],
)
def test_a_value_given_to_the_wrong_thing_tells_nothing_new(
    cases_of: Callable[[], list[note_measures.NoteCase]], adding: int, losing: int, false: int
) -> None:
    """The sentence that holds it is told for the right claim already, and is the same one."""
    wrong = wrong_claims.wrong_ones(cases_of(), written=False)
    assert wrong.tried >= 150
    assert wrong.adding <= adding
    assert wrong.losing <= losing
    assert len(wrong.false) <= false


@pytest.mark.parametrize("part", [*note_measures.PHRASING_PARTS, "eighth"])
def test_the_word_of_an_act_alone_gives_no_status(part: str) -> None:
    path = note_measures.EIGHTH_PHRASINGS if part == "eighth" else note_measures.PHRASINGS
    answers = list(note_measures.phrasings(part, path))
    other = [text for form, text in answers if form != "confirmed"]
    assert len(other) >= 200
    assert [text for text in other if note_measures.asserted(text)] == []
    assert [text for text in other[:: max(5, len(other) // 50)] if note_measures.believed(text, path)] == []
    confirmed = [note_measures.asserted(text) for form, text in answers if form == "confirmed"]
    least = {"seventh": 100, "eighth": 32}.get(part, len(confirmed))  # what the rules leave out is only missing
    assert sum(confirmed) >= least


def test_a_set_that_is_not_in_the_tree_is_measured_by_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases_file, phrasings_file = tmp_path / "calls.toml", tmp_path / "words.toml"
    cases_file.write_text(
        '[subjects.plain]\n[[scenarios]]\nid = "one"\nturns = ["A table for two.", "The table is booked."]\n'
        'question = "And?"\nneeds = ["booked"]\nfalse = []\nfacts = ["table / status / 1a / The table is booked"]\n'
    )
    phrasings_file.write_text(
        '[new]\npairs = [["the table", "booked"]]\nnegation = ["{Thing} is not {done}."]\n'
        'confirmed = ["{Thing} is {done}."]\n'
    )
    main(["--notes", str(cases_file), "--phrasings", str(phrasings_file)])
    told = capsys.readouterr().out
    assert "calls (1)" in told
    assert "1 of 1" in told
    assert "negation" in told
    assert "Evidence recall" not in told


def test_the_page_has_the_figures_of_today() -> None:
    given()
    page = docs.PAGE.read_text(encoding="utf-8")
    assert docs.with_table(page, "notes", docs.notes_table()) == page


def test_forty_turns_cost_no_more_than_the_whole_history_with_a_cache() -> None:
    reason = data.missing("sgd/dev_partial.jsonl")
    if reason:
        pytest.skip(reason)
    for model in cost_measures.MODELS:
        ours = cost_measures.cost(cost_measures.SENDERS["memory"], model, 40).usd(model)
        assert ours <= cost_measures.cost(cost_measures.SENDERS["whole history, cached"], model, 40).usd(model)


@pytest.mark.parametrize(("model", "most"), [("claude-haiku-5-5", 0.34), ("claude-sonnet-4-6", 1.0)])
def test_two_hundred_turns_cost_a_share_of_the_whole_history_with_a_cache(model: str, most: float) -> None:
    reason = data.missing("sgd/dev_partial.jsonl")
    if reason:
        pytest.skip(reason)
    ours = cost_measures.cost(cost_measures.SENDERS["memory"], model, 200).usd(model)
    assert ours <= most * cost_measures.cost(cost_measures.SENDERS["whole history, cached"], model, 200).usd(model)


def test_a_live_request_recalls_little_and_what_is_needed() -> None:
    probes = probes_of("MultiWOZ back-references, long calls", 4)
    live = measures.live_recall(probes)
    assert live.recall >= 0.39
    assert live.tokens <= 600


def test_notes_take_less_than_their_share_of_a_session_even_when_none_is_held_back() -> None:
    reason = data.missing("sgd/dev_partial.jsonl")
    if reason:
        pytest.skip(reason)
    share = cost_measures.notes_share(cost_measures.MODELS[0], 12)
    assert 0.0 < share.capped <= share.uncapped <= 0.03
    assert share.due - share.taken <= 1


def test_the_measures_can_fail() -> None:
    """One topic and no memory score nothing: the eval is not true of everything."""
    turns = [data.LabelledTurn("a", "b", subject) for subject in ("hotel", "train", "hotel")]
    assert measures.returns([turns], measures.one_topic).share == 0.0
    assert measures.returns([turns], lambda _: [0, 1, 0]).share == 1.0
    assert value_measures.baseline_values(cases()[:40], 1_000, baselines.flat(0)).share_present < 0.2
    shifts = measures.Shifts()
    shifts.add([0, 1, 0, 0], [0, 1, 0, 0])
    assert shifts.scores == (0.0, 0.0, 1.0)
