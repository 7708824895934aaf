"""Policies load whole or not at all, and a session's policy depends on its id and the weights alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.budgets import Tier
from agent.policy.policies import (
    DEFAULT_PATH,
    USUAL_ENDPOINTING,
    Assignment,
    Endpointing,
    PolicyFileError,
    load_policies,
)
from agent.policy.speed import FirstWordsRule, HedgingRule

GOOD = DEFAULT_PATH.read_text(encoding="utf-8")


def test_the_shipped_policies() -> None:
    book = load_policies()
    assert list(book.policies) == ["haiku_first", "sonnet_first", "economy", "fast"]
    assert {name: policy.version for name, policy in book.policies.items()} == {
        "haiku_first": 2, "sonnet_first": 2, "economy": 2, "fast": 2,
    }  # fmt: skip
    haiku = book.policies["haiku_first"]
    assert (haiku.first_model, haiku.escalation.char_threshold, haiku.escalation.term_turns) == ("haiku", 80, 3)
    assert haiku.chains.llm == ("sonnet", "haiku", "recorded")
    assert book.policies["sonnet_first"].first_model == "sonnet"
    assert book.policies["economy"].stt_model == "nova-3"
    assert book.baseline == "sonnet_first"
    for tier in Tier:
        assert book.assignments[tier].weights == (("haiku_first", 95), ("sonnet_first", 5))


def test_a_chain_starts_with_the_routed_model() -> None:
    chains = load_policies().policies["haiku_first"].chains
    assert chains.llm_from("sonnet") == ("sonnet", "haiku", "recorded")
    assert chains.llm_from("haiku") == ("haiku", "sonnet", "recorded")


@pytest.mark.parametrize(
    ("table", "silence_ms", "dictation_ms"),
    [
        ("", 1200, 1500),
        ("endpointing = { silence_ms = 800 }", 800, 1500),
        ("endpointing = { silence_ms = 900, dictation_ms = 2500 }", 900, 2500),
    ],
)
def test_a_policy_may_say_how_much_silence_ends_a_turn(
    tmp_path: Path, table: str, silence_ms: int, dictation_ms: int
) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(GOOD.replace('first_model = "haiku"', f'first_model = "haiku"\n{table}', 1), encoding="utf-8")
    book = load_policies(file)
    assert book.policies["haiku_first"].endpointing == Endpointing(silence_ms, dictation_ms)
    assert book.policies["sonnet_first"].endpointing == USUAL_ENDPOINTING


@pytest.mark.parametrize(
    "table", ["endpointing = 800", "endpointing = { silence_ms = 0 }", "endpointing = { silence = 800 }",
              'endpointing = { dictation_ms = "long" }']
)  # fmt: skip
def test_an_endpointing_that_cannot_be_meant_is_refused_by_name(tmp_path: Path, table: str) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(GOOD.replace('first_model = "haiku"', f'first_model = "haiku"\n{table}', 1), encoding="utf-8")
    with pytest.raises(PolicyFileError, match="endpointing"):
        load_policies(file)


def test_a_policy_cannot_be_changed() -> None:
    policy: Any = load_policies().policies["haiku_first"]
    with pytest.raises(FrozenInstanceError):
        policy.version = 2


@given(st.text(max_size=40))
def test_a_session_keeps_its_policy(key: str) -> None:
    assert load_policies().assign(Tier.FREE, key) == load_policies().assign(Tier.FREE, key)


def test_the_weights_are_met() -> None:
    book = load_policies().assigned(Tier.FREE, {"haiku_first": 70, "economy": 0, "sonnet_first": 30})
    names = Counter(book.assign(Tier.FREE, f"session-{number}").name for number in range(20_000))
    assert set(names) == {"haiku_first", "sonnet_first"}
    assert 0.28 < names["sonnet_first"] / 20_000 < 0.32


def test_the_assignment_is_the_same_in_every_process() -> None:
    assignment = Assignment(Tier.FREE, (("a", 50), ("b", 50)))
    assert [assignment.pick(f"s{number}") for number in range(12)] == list("abaabbaaaaba")


def test_new_weights_leave_the_other_tier_and_the_old_book_alone() -> None:
    book = load_policies()
    changed = book.assigned(Tier.FREE, {"sonnet_first": 100})
    assert changed.assign(Tier.FREE, "any").name == "sonnet_first"
    assert changed.assignments[Tier.PREMIUM] == book.assignments[Tier.PREMIUM]
    assert book.assignments[Tier.FREE].weights == (("haiku_first", 95), ("sonnet_first", 5))
    with pytest.raises(ValueError, match=r"^assignments\.free: takes weights that sum to 100, these sum to 90$"):
        book.assigned(Tier.FREE, {"sonnet_first": 90})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 2", "version = 0", "policy haiku_first.version: takes a whole number from 1 to 1000000, got 0"),
        ("version = 2", "version = true", "policy haiku_first.version: takes a whole number from 1"),
        ("version = 2", "", "policy haiku_first.version: takes a whole number from 1 to 1000000, got None"),
        ("version = 2", "verzion = 1", "policy haiku_first.verzion: unknown key; takes name | version | description"),
        ('name = "haiku_first"', 'name = "Haiku First"', "policy 1.name: takes lower-case letters, digits and _"),
        ('name = "sonnet_first"', 'name = "haiku_first"', "policy 2: name 'haiku_first' is taken"),
        ('baseline = "sonnet_first"', "", "baseline: takes haiku_first | sonnet_first | economy | fast, got None"),
        (
            'baseline = "sonnet_first"',
            'baseline = "opus"',
            "baseline: takes haiku_first | sonnet_first | economy | fast, got",
        ),
        ('description = "Haiku', 'description = "" # "Haiku', "policy haiku_first.description: takes a text, got ''"),
        ('"haiku"\nesc', '"opus"\nesc', "policy haiku_first.first_model: takes haiku | sonnet, got 'opus'"),
        (
            'stt_model = "flux"',
            'stt_model = "whisper"',
            "haiku_first.stt_model: takes flux | nova-3 | nova-2, got 'whisper'",
        ),
        (
            'voice_model = "eleven_flash_v2_5"',
            'voice_model = "x"',
            "policy haiku_first.voice_model: takes eleven_flash_v2 |",
        ),
        ("audio_cache = true", "audio_cache = 1", "policy haiku_first.audio_cache: takes true or false, got 1"),
        (
            "prompt_cache = true",
            'prompt_cache = "on"',
            "policy haiku_first.prompt_cache: takes true or false, got 'on'",
        ),
        (
            "char_threshold = 80",
            "char_threshold = -1",
            "escalation.char_threshold: takes a whole number from 0 to 1000000, got -1",
        ),
        (
            "term_turns = 3",
            "term_turns = 1.5",
            "escalation.term_turns: takes a whole number from 0 to 1000000, got 1.5",
        ),
        ("enabled = true", 'enabled = "yes"', "policy haiku_first.escalation.enabled: takes true or false"),
        (
            "enabled = true",
            "enabled = true, level = 2",
            "escalation.level: unknown key; takes enabled | char_threshold | term_turns",
        ),
        (
            "escalation = { enabled = true, char_threshold = 80, term_turns = 3 }",
            "",
            "policy haiku_first.escalation: takes a table, got nothing",
        ),
        (
            'stt = ["deepgram",',
            'stt = ["deepgran",',
            "policy haiku_first.chains.stt: takes a list of deepgram | whisper | browser",
        ),
        (
            '"haiku", "recorded"]',
            '"recorded"]\nvad = []',
            "policy haiku_first.chains.vad: unknown key; takes stt | llm | tts",
        ),
        (
            'llm = ["sonnet", "haiku", "recorded"]',
            'llm = ["sonnet"]',
            "policy haiku_first.chains.llm: must hold 'haiku'",
        ),
        (
            'llm = ["sonnet", "haiku", "recorded"]',
            'llm = ["haiku"]',
            "policy haiku_first.chains.llm: must hold 'sonnet'",
        ),
        ('tts = ["elevenlabs",', 'tts = ["browser",', "policy haiku_first.chains.tts: names a provider twice"),
        (
            'tts = ["elevenlabs", "deepgram_tts", "browser"]',
            "tts = []",
            "policy haiku_first.chains.tts: takes a list of elevenlabs |",
        ),
        ("haiku_first = 95", "haiku_first = 94", "assignments.free: takes weights that sum to 100, these sum to 99"),
        (
            "haiku_first = 95",
            "haiku_first = 195\neconomy = -100",
            "assignments.free.haiku_first: takes a whole number from 0 to 100",
        ),
        (
            "haiku_first = 95",
            "haiku_last = 95",
            "assignments.free.haiku_last: unknown key; takes haiku_first | sonnet_first | economy | fast",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nearly_replies = { threshold_percent = 20 }',
            "policy haiku_first.early_replies.threshold_percent: takes a whole number from 30 to 90, got 20",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nearly_replies = { threshold_percent = 95 }',
            "policy haiku_first.early_replies.threshold_percent: takes a whole number from 30 to 90, got 95",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nendpointing = { flux_threshold_percent = 99 }',
            "policy haiku_first.endpointing.flux_threshold_percent: takes a whole number from 50 to 90, got 99",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "nova-3"\nearly_replies = { threshold_percent = 50 }',
            "policy haiku_first.early_replies.threshold_percent: takes stt_model = 'flux'; others take stable_ms",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "nova-3"\nearly_replies = {}',
            "policy haiku_first.early_replies: takes threshold_percent (Flux), stable_ms, or both",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "nova-3"\nearly_replies = { stable_ms = 10 }',
            "policy haiku_first.early_replies.stable_ms: takes a whole number from 40 to 1000, got 10",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nearly_voice = {}',
            "policy haiku_first.early_voice: takes early_replies, and stt_model = 'flux', which says how sure it is",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nearly_replies = { threshold_percent = 40 }\nearly_voice = { confidence_percent = 20 }',
            "policy haiku_first.early_voice.confidence_percent: takes a whole number from 30 to 90, got 20",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nhedging = { model_percent = 101 }',
            "policy haiku_first.hedging.model_percent: takes a whole number from 0 to 100, got 101",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nhedging = { second = "other" }',
            "policy haiku_first.hedging.second: takes same | fallback, got 'other'",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nfirst_words = { phrase_characters = 5 }',
            "policy haiku_first.first_words.phrase_characters: takes a whole number from 16 to 120, got 5",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nfirst_words = { openings = "Sure." }',
            "policy haiku_first.first_words.openings: takes true or false, got 'Sure.'",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nfirst_words = { openings = false, ask_openings = true }',
            "policy haiku_first.first_words.ask_openings: takes openings = true: others are not recorded",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nhedging = { at_once = ["opus"] }',
            "policy haiku_first.hedging.at_once: takes a list of haiku | sonnet, got ['opus']",
        ),
        (
            'stt_model = "flux"',
            'stt_model = "flux"\nhedging = { tiers = ["gold"] }',
            "policy haiku_first.hedging.tiers: takes a list of free | premium, got ['gold']",
        ),
        ("[assignments.free]", "[assignments.gold]", "assignments.gold: unknown key; takes free | premium"),
        (
            "[assignments.premium]\nhaiku_first = 95\nsonnet_first = 5",
            "",
            "assignments.premium: takes a table, got nothing",
        ),
        ("[assignments.free]", "[tiers]\n[assignments.free]", "tiers: unknown key; takes policy | baseline"),
        ("[[policy]]", "[[policy]", "(at line "),
    ],
)
def test_a_wrong_file_is_refused_with_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = tmp_path / "policies.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyFileError) as refused:
        load_policies(path)
    line = str(refused.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert message in line


def test_more_policies_than_label_values_are_refused(tmp_path: Path) -> None:
    first = GOOD[GOOD.index("[[policy]]") : GOOD.index("[[policy]]", GOOD.index("[[policy]]") + 1)]
    path = tmp_path / "policies.toml"
    path.write_text(GOOD + "".join(first.replace("haiku_first", f"more_{number}") for number in range(6)))
    with pytest.raises(PolicyFileError, match=r"policy: takes 1 to 8 tables \[\[policy\]\]$"):
        load_policies(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match=r"none\.toml: cannot be read: No such file"):
        load_policies(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
    with pytest.raises(PolicyFileError, match=r"latin\.toml: is not UTF-8 text \(byte 5\)"):
        load_policies(tmp_path / "latin.toml")


def test_the_knobs_of_speed_are_off_until_a_policy_names_them(tmp_path: Path) -> None:
    shipped = load_policies()
    for name, one in shipped.policies.items():
        knobs = (one.early_replies, one.hedging, one.early_voice, one.first_words)
        assert (None in knobs, set(knobs) == {None}) == (name != "fast", name != "fast")
    named = 'name = "haiku_first"\nhedging = { voice_percent = 0, tiers = ["premium"] }'
    made = tmp_path / "policies.toml"
    made.write_text(DEFAULT_PATH.read_text().replace('name = "haiku_first"', named, 1))
    rule = load_policies(made).policies["haiku_first"].hedging
    assert rule == HedgingRule(95, 5, 0, "same", (), 90, (Tier.PREMIUM,))
    assert shipped.policies["fast"].hedging == HedgingRule(95, 100, 8, "same", ("haiku",), voice_quantile_percent=98)


@pytest.mark.parametrize(
    ("knob", "rule"),
    [
        ("{}", FirstWordsRule(True, False, 24)),
        ("{ openings = false, phrase_characters = 40 }", FirstWordsRule(False, False, 40)),
        ("{ ask_openings = true }", FirstWordsRule(True, True, 24)),
        ('{ phrase_characters = 0, tiers = ["free"] }', FirstWordsRule(True, False, 0, (Tier.FREE,))),
    ],
)
def test_first_words_are_a_knob(tmp_path: Path, knob: str, rule: FirstWordsRule) -> None:
    made = tmp_path / "policies.toml"
    named = f'name = "haiku_first"\nfirst_words = {knob}'
    made.write_text(DEFAULT_PATH.read_text().replace('name = "haiku_first"', named, 1))
    assert load_policies(made).policies["haiku_first"].first_words == rule


def test_openings_are_kept_in_the_audio_cache(tmp_path: Path) -> None:
    made = tmp_path / "policies.toml"
    text = DEFAULT_PATH.read_text().replace('name = "haiku_first"', 'name = "haiku_first"\nfirst_words = {}', 1)
    made.write_text(text.replace("audio_cache = true", "audio_cache = false", 1))
    with pytest.raises(PolicyFileError, match=r"haiku_first\.first_words\.openings: takes audio_cache = true"):
        load_policies(made)
