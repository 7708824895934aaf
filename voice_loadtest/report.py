"""What a call looks like on a terminal: a latency waterfall per turn against the budgets, and a summary."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice_loadtest.protocol import NO_REPLY, close_meaning
from voice_loadtest.records import CallerTurn, CallQuantiles, CallRecord, Utterance, summarise

# stage → glyph and colour: the glyphs tell the stages apart where there is no colour
STAGES: Final = {
    "stt": ("█", "cyan"),
    "llm": ("▓", "magenta"),
    "tool": ("▚", "bright_black"),
    "tts": ("▒", "green"),
    "send": ("▌", "yellow"),
    "network": ("░", "blue"),
}
BAR: Final = 56  # columns
_BAR_IN_BUDGETS: Final = 1.4  # the whole width of the bar, in voice-to-voice budgets
_DEFAULT_BUDGET_MS: Final = 1500.0  # the scale of the bar where the server named no budget
_WHOLE: Final = "voice_to_voice"
_TOOL: Final = "tool"


class CallReport:
    """Prints a call as it goes on. Transcripts are shown: this is the caller's own terminal."""

    def __init__(self, console: Console, network_ms: float = 0.0) -> None:
        self._console = console
        self._network_ms = network_ms
        self._begun = False

    def turn(self, turn: CallerTurn, record: CallRecord) -> None:
        """One turn: what was heard, what was said, where the time went."""
        if not self._begun:
            self._begun = True
            self._print(self._heading(record))
        self._print(Text())
        self._print(_words(turn))
        budgets = record.budgets_ms
        if turn.spoken:
            self._print(_bar(turn, budgets))
            self._print(_numbers(turn, budgets))
        elif turn.response_ms is not None:
            self._print(Text(f"    first word {turn.response_ms:.0f} ms after the text was sent", style="dim"))
        self._print_barge_in(turn.utterance)

    def end(self, record: CallRecord) -> None:
        """The summary of the call."""
        for noise in (said for said in record.utterances if said.kind == "noise"):
            self._print_barge_in(noise)
        self._print(Text())
        self._console.print(_summary(record))
        for fault in record.errors:
            self._print(Text(f"error {_plain(fault.code)}: {_plain(fault.message)}", style="red"))
        for change in record.degraded:
            what = "on its first place again" if change.get("recovered") else f"on place {change['tier']} of its chain"
            self._print(Text(f"{_plain(str(change['service']))} ran {what}", style="yellow"))
        if record.stopped:
            names = ", ".join(_plain(name) for name in record.not_said)
            rest = f"; {names} {'was' if len(record.not_said) == 1 else 'were'} not said" if names else ""
            self._print(Text(f"the service was stopped{rest}", style="bold red"))
        elif record.close_code is not None and record.close_code != 1000:
            self._print(Text(f"closed with {record.close_code}: {close_meaning(record.close_code)}", style="red"))
        for said in (said for said in record.utterances if record.hung_up and said.cut):
            name = _plain(said.name)
            when = f"before {name} was answered" if said.whole else f"while {name} was being said"
            self._print(Text(f"you hung up {when}", style="yellow"))
        if record.unanswered:
            names = ", ".join(_plain(said.name) for said in record.unanswered)
            self._print(Text(f"no real reply to: {names}", style="bold red"))

    def _heading(self, record: CallRecord) -> Text:
        text = Text().append("session ", style="dim").append(_plain(record.session_id))
        text.append(f" · tier {_plain(record.tier)}", style="dim")
        if record.policy:
            text.append(f" · policy {_plain(record.policy)}", style="dim")
        if record.simulated:
            text.append(f" · simulated by the sandbox: {_plain(', '.join(record.simulated))}", style="yellow")
        if record.local:
            text.append(f" · local, at no cost: {_plain(', '.join(record.local))}", style="green")
        if self._network_ms:
            text.append(f" · network of {self._network_ms:g} ms added", style="dim")
        return text

    def _print_barge_in(self, said: Utterance | None) -> None:
        if said is not None and said.barge_in_ms is not None:
            line = Text(f"    {'noise' if said.kind == 'noise' else 'barge-in'}: the reply stopped ")
            self._print(line.append(f"{said.barge_in_ms:.0f} ms", style="bold").append(" after the first sound"))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _words(turn: CallerTurn) -> Text:
    number = f"{turn.turn:>2}" if turn.turn is not None else " –"
    text = Text().append(f"{number}  ", style="bold")
    if turn.transcript is not None:
        text.append(f"“{_plain(turn.transcript)}”")
    elif turn.greets:
        text.append("the agent speaks first", style="dim")
    else:
        name = turn.utterance.name if turn.utterance is not None else "nothing"
        text.append(f"{_plain(name)} was not heard", style="red")
    if turn.reply:
        text.append(" → ", style="dim").append(f"“{_plain(turn.reply)}”")
    if turn.cleared:
        text.append(f"  (interrupted after “{_plain(turn.heard or '')}”)", style="yellow")
    if turn.resumed:
        text.append("  (noise: played on)", style="dim")
    cut = turn.utterance is not None and turn.utterance.cut
    if not turn.answered and not turn.greets and not cut:
        text.append(f"  {_plain(turn.outcome or 'no reply')}", style="bold red")
    if turn.model:
        text.append(f"  {_plain(_answering(turn))}" + (f" · {_plain(turn.rule)}" if turn.rule else ""), style="dim")
    return text


def _answering(turn: CallerTurn) -> str:
    """The model that was chosen and, where another answered or none did, who."""
    chosen = turn.model or ""
    return chosen if turn.answered_by == turn.model else f"{chosen} → {turn.answered_by or 'nobody'}"


def _bar(turn: CallerTurn, budgets: dict[str, float]) -> Text:
    """The stages side by side at one scale for all turns, with `┃` where the budget ends; red is over it."""
    budget = budgets.get(_WHOLE, _DEFAULT_BUDGET_MS)
    per_column = budget * _BAR_IN_BUDGETS / BAR
    limit = round(budget / per_column)
    cells: list[tuple[str, str]] = []
    total = 0.0
    for stage, (glyph, colour) in STAGES.items():
        total += turn.stages.get(stage) or 0.0
        cells += [(glyph, colour)] * (round(total / per_column) - len(cells))
    clipped = len(cells) > BAR
    cells = (cells + [(" ", "")] * BAR)[:BAR]
    cells[limit:] = [(glyph, "red") for glyph, _ in cells[limit:]]
    cells[limit] = ("┃", "bold red" if cells[limit][0] != " " else "bold")
    text = Text("    ")
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        text.append("".join(glyph for glyph, _ in run), style=style)
    text.append("›" if clipped else " ")
    if turn.outcome in NO_REPLY:
        return text.append("no reply", style="bold red")
    own = turn.voice_to_voice_ms
    over = own is not None and _WHOLE in budgets and own > budgets[_WHOLE]
    text.append(f"{_ms(own)} ms", style="bold red" if over else "bold")
    text.append(f" of {budgets[_WHOLE]:.0f}" if _WHOLE in budgets else "", style="dim")
    return text.append(f"   the server says {_ms(turn.server_voice_to_voice_ms).strip()}", style="dim")


def _numbers(turn: CallerTurn, budgets: dict[str, float]) -> Text:
    text = Text("    ")
    for stage, (glyph, colour) in STAGES.items():
        if stage == _TOOL and turn.stages.get(stage) is None:
            continue  # few turns use one
        value, budget = turn.stages.get(stage), budgets.get(stage)
        over = value is not None and budget is not None and value > budget
        text.append(f"{glyph} {stage}", style=colour)
        text.append(f"{_ms(value)}", style="bold red" if over else "")
        text.append(f"/{budget:<5.0f}" if budget is not None else " " * 6, style="dim")
    return text


def _summary(record: CallRecord) -> Table | Text:
    """The times of the call in a table; of typed turns that nobody answered there are none, and no table."""
    summary = summarise([record])
    spoken = any(turn.spoken for turn in record.turns)
    title = "voice to voice, ms" if spoken else "text to first word, ms"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("", "turns", "p50", "p95", "p99"):
        table.add_column(column, justify="left" if not column else "right")
    rows: list[tuple[str, CallQuantiles]] = []
    if spoken:
        rows += [
            ("as heard by the caller", summary.own),
            ("as the server says", summary.server),
            ("difference", summary.difference),
        ]
    if summary.response.count:
        rows.append(("typed: to the first word" if spoken else "as the caller reads it", summary.response))
    if summary.barge_in.count:
        rows.append(("voice → reply stopped", summary.barge_in))
    for name, spread in rows:
        table.add_row(name, str(spread.count), _ms(spread.p50), _ms(spread.p95), _ms(spread.p99))
    style = "green" if record.all_answered else "bold red"
    answered = Text(f"{summary.answered} of {summary.utterances} answered by a real reply", style=style)
    if not summary.utterances and (record.hung_up or record.stopped):
        answered = Text("nothing was said to its end", style="dim")
    if record.cost_usd is not None:
        answered.append(f" · ${record.cost_usd:.5f}", style="dim")
    if not rows:
        return answered
    table.caption = answered
    table.caption_justify = "left"
    return table


def _ms(value: float | None) -> str:
    return "    –" if value is None else f"{round(value):>5}"


def _plain(text: str) -> str:
    """Without control characters: what the server says must not drive the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
