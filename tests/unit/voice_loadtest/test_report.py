from __future__ import annotations

from io import StringIO

from rich.console import Console

from voice_loadtest.records import CallerTurn, CallFault, CallRecord, Utterance
from voice_loadtest.report import BAR, CallReport

BUDGETS = {"voice_to_voice": 1500.0, "stt": 600.0, "llm": 400.0, "tts": 400.0, "network": 100.0}


def spoken(total_ms: float, **stages: float | None) -> CallerTurn:
    said = Utterance("speech", "one.wav", first_voiced_at=9.0, ended_at=10.0, turns=[1])
    turn = CallerTurn(1, said, spoken=True, transcript="book a room", first_audio_at=10.0 + total_ms / 1000)
    turn.clauses[0], turn.sounded, turn.outcome, turn.measured = "Of course.", True, "replied", True
    turn.server_voice_to_voice_ms, turn.stages = total_ms - 3, dict(stages)
    return turn


def shown(turn: CallerTurn, *, colour: bool = False) -> str:
    record = CallRecord(session_id="s1", tier="premium", policy="haiku-first", budgets_ms=BUDGETS, turns=[turn])
    if turn.utterance is not None:
        record.utterances.append(turn.utterance)
    out = StringIO()
    console = Console(file=out, width=160, force_terminal=colour, color_system="standard" if colour else None)
    report = CallReport(console)
    report.turn(turn, record)
    report.end(record)
    return out.getvalue()


def bar(text: str) -> str:
    return next(line for line in text.splitlines() if "┃" in line)[4 : 4 + BAR]


def test_stages_stand_side_by_side_at_one_scale_with_the_budget_marked() -> None:
    cells = bar(shown(spoken(1200, stt=300, llm=300, tts=300, send=0, network=300)))
    # 1.4 budgets wide: 2100 ms in 56 columns are 37.5 ms a column
    assert [cells.count(glyph) for glyph in "█▓▒░"] == [8, 8, 8, 8]
    assert cells.rstrip().lstrip("█▓▒░ ") == "┃"
    assert cells.index("┃") == 40


def test_what_is_over_its_budget_is_red() -> None:
    over = shown(spoken(1800, stt=300, llm=900, tts=300, send=0, network=300), colour=True)
    assert "\x1b[1;31m  900" in over
    assert "\x1b[1;31m 1800 ms" in over
    within = shown(spoken(1200, stt=300, llm=300, tts=300, send=0, network=90), colour=True)
    assert "\x1b[1;31m" not in within


def test_a_bar_that_is_too_long_says_so() -> None:
    assert "›" in shown(spoken(9000, stt=300, llm=8000, tts=300, send=0, network=300))


def test_what_was_not_measured_is_a_dash_and_not_a_zero() -> None:
    text = shown(spoken(900, stt=300, llm=300, tts=300, send=0, network=None))
    assert "network    –/100" in text


def test_both_clocks_and_their_difference_are_in_the_summary() -> None:
    lines = shown(spoken(1200, stt=300, llm=300, tts=300, send=0, network=300)).splitlines()
    assert any(line.split()[-4:] == ["1", "1200", "1200", "1200"] for line in lines if "as heard" in line)
    assert any(line.split()[-4:] == ["1", "1197", "1197", "1197"] for line in lines if "server says" in line[:30])
    assert any(line.split()[-3:] == ["3", "3", "3"] for line in lines if "difference" in line)


def test_an_apology_is_no_reply_and_not_a_number() -> None:
    turn = spoken(322, stt=300, llm=None, tts=None, send=None, network=None)
    turn.outcome, turn.server_voice_to_voice_ms = "apology", None
    text = shown(turn)
    assert "no reply" in next(line for line in text.splitlines() if "┃" in line)
    assert "322" not in text
    assert any(line.split()[-4:] == ["0", "–", "–", "–"] for line in text.splitlines() if "as heard" in line)


def typed(first_word_ms: float) -> CallerTurn:
    said = Utterance("text", "typed", ended_at=10.0, turns=[1])
    turn = CallerTurn(1, said, spoken=False, transcript="hello", first_text_at=10.0 + first_word_ms / 1000)
    turn.clauses[0], turn.outcome, turn.measured = "Hello.", "typed", True
    return turn


def test_a_typed_call_shows_its_own_wait_and_no_table_of_dashes() -> None:
    text = shown(typed(320))
    assert "voice to voice" not in text
    line = next(line for line in text.splitlines() if "as the caller reads it" in line)
    assert line.split()[-4:] == ["1", "320", "320", "320"]
    assert "–" not in text


def test_a_typed_call_that_nobody_answered_shows_no_table_at_all() -> None:
    said = Utterance("text", "typed", ended_at=10.0, turns=[1])
    turn = CallerTurn(1, said, spoken=False, transcript="hello", outcome="typed_failed", measured=True)
    lines = [line.strip() for line in shown(turn).splitlines() if line.strip()]
    assert lines[-2:] == ["0 of 1 answered by a real reply", "no real reply to: typed"]
    assert not any("–" in line or "p50" in line for line in lines)


def test_words_of_the_server_cannot_drive_the_terminal() -> None:
    turn = spoken(900, stt=300, llm=300, tts=300, send=0, network=0)
    turn.transcript = "hello\x1b[2J[bold]"
    assert "“hello [2J[bold]”" in shown(turn)


def test_faults_and_closes_are_explained_in_words() -> None:
    out = StringIO()
    record = CallRecord(close_code=4409, errors=[CallFault("replaced", "somebody else called", fatal=True)])
    CallReport(Console(file=out, width=160)).end(record)
    assert "error replaced: somebody else called" in out.getvalue()
    assert "closed with 4409: a newer connection of the same caller took over" in out.getvalue()


def test_a_policy_that_the_service_does_not_tell_is_left_out() -> None:
    turn = spoken(900, stt=300, llm=300, tts=300, send=0, network=0)
    out = StringIO()
    CallReport(Console(file=out, width=160)).turn(turn, CallRecord(session_id="s1", tier="free", turns=[turn]))
    assert out.getvalue().splitlines()[0] == "session s1 · tier free"


def test_a_greeting_is_no_turn_that_was_not_heard() -> None:
    greeting = CallerTurn(0, None, spoken=False, outcome="greeting")
    greeting.clauses[0] = "Good day."
    out = StringIO()
    CallReport(Console(file=out, width=160)).turn(greeting, CallRecord(session_id="s1", tier="free", turns=[greeting]))
    assert out.getvalue().splitlines()[2].strip() == "0  the agent speaks first → “Good day.”"


def test_a_turn_with_a_tool_has_a_figure_for_it() -> None:
    assert "▚ tool   90" in shown(spoken(700, stt=300, llm=200, tool=90, tts=100, send=1, network=9))
    assert "tool" not in shown(spoken(700, stt=300, llm=200, tts=100, send=1, network=9))


def test_who_answered_is_named_where_another_model_took_over() -> None:
    turn = spoken(700, stt=300)
    turn.model, turn.answered_by = "haiku", "sonnet"
    assert "haiku → sonnet" in shown(turn)
    turn.answered_by = None
    assert "haiku → nobody" in shown(turn)
