"""Between the session's words and those of the wire: events → messages, messages → commands, reasons → close codes."""

from __future__ import annotations

from typing import Final

import msgspec

from agent.session import events
from agent.session.commands import EndCall, ReportPlayback, SayText, SessionCommand
from agent.session.transport import Capabilities, CloseReason
from agent.telemetry.timeline import TurnRecord
from agent.transport.voice_agent_v1 import messages
from agent.transport.voice_agent_v1.messages import CloseCode, Hangup, PlaybackReport, ServerMessage, Text

NOT_LISTENING: Final = "speech cannot be understood at the moment: type what you want to say"
NO_WORDS: Final = "this text has no words, so it is no turn: type what you want to say"
ECHO: Final = "the loudspeaker is heard by the microphone: headphones, or less volume, help"
_CLOSE_CODES: Final = {
    CloseReason.REPLACED: CloseCode.REPLACED,
    CloseReason.TAKEN_OVER: CloseCode.REPLACED,
    CloseReason.DRAINED: CloseCode.GOING_AWAY,
    CloseReason.FAILED: CloseCode.INTERNAL,
    CloseReason.CRASHED: CloseCode.INTERNAL,
    CloseReason.MOVED: CloseCode.MOVED,
    CloseReason.REFUSED: CloseCode.BAD_MESSAGE,
}


def close_frame(reason: CloseReason) -> tuple[int, str]:
    """Close code and text of the close frame."""
    text = "a newer connection took over" if reason is CloseReason.TAKEN_OVER else reason.value
    return _CLOSE_CODES.get(reason, CloseCode.NORMAL), text


def capabilities_of(declared: messages.CapabilitiesMessage) -> Capabilities:
    """What a client has declared in its `start`."""
    return Capabilities(declared.browser_speech, declared.browser_recogniser, declared.playback_reports)


def command_of(message: Text | PlaybackReport | Hangup) -> SessionCommand:
    """What a message asks of the session."""
    match message:
        case Text(text=text, spoken=spoken):
            return SayText(text, spoken)
        case Hangup():
            return EndCall()
        case PlaybackReport():
            ear_s = None if message.ear_ms is None else message.ear_ms / 1000.0
            return ReportPlayback(message.turn, message.event, message.played_ms / 1000.0, message.clause, ear_s)


def message_of(event: events.SessionEvent) -> ServerMessage:
    """The message that tells a client of an event."""
    match event:
        case events.TranscriptUpdated(text):
            return messages.TranscriptPartial(text=text)
        case events.TurnStarted(turn, text, spoken):
            return messages.TranscriptFinal(turn=turn, text=text, spoken=spoken)
        case (
            events.ReplyStarted()
            | events.FillerSent()
            | events.ClauseStarted()
            | events.SpeechRequested()
            | events.ReplyCompleted()
        ):
            return _speaking(event)
        case events.ReplyPaused(turn):
            return messages.AudioPause(turn=turn)
        case events.ReplyResumed(turn):
            return messages.AudioResume(turn=turn)
        case events.ReplyCleared(turn, heard):
            return messages.AudioClear(turn=turn, heard=heard)
        case events.ListeningRequested(reason):
            return messages.ListenBrowser(reason=reason)
        case events.WordsMissed():
            return messages.Error(code="no_words", message=NO_WORDS, fatal=False)
        case events.TypingRequested():
            return messages.Error(code="not_listening", message=NOT_LISTENING, fatal=False)
        case events.ServiceDegraded(service, place, reason, notice):
            return messages.Degraded(service=service, tier=place, reason=reason, message=notice)
        case events.ServiceRecovered(service):
            return messages.Recovered(service=service)
        case events.EchoNoticed():
            return messages.Echo(message=ECHO)
        case events.TurnMeasured(record):
            return turn_metrics(record)
        case events.CostUpdated(usd, by_service, tokens):
            return messages.SessionCost(usd=usd, by_service=dict(by_service), tokens=tokens)
        case events.MemoryUpdated(graph):
            return messages.MemoryView(graph=msgspec.Raw(msgspec.json.encode(graph)))
        case events.EndingSoon(limit_usd):
            text = f"this call ends when it has cost ${limit_usd:.2f}, which is soon: say what matters most"
            return messages.Error(code="ending_soon", message=text, fatal=False)
        case events.TextShown(text):
            return messages.ShowText(text=text)
        case events.TransferRequested(summary):
            return messages.Transfer(summary=summary)
        case events.SessionClosed(outcome, turns):
            return messages.SessionEndMessage(reason=outcome.value, turns=turns)


def turn_metrics(record: TurnRecord) -> messages.TurnMetrics:
    """The client's view of a finished turn, in milliseconds."""
    return messages.TurnMetrics(
        turn=record.turn,
        spoken=record.spoken,
        outcome=record.outcome.value,
        model=record.model,
        rule=record.rule,
        voice_to_voice_ms=_ms(record.reply_after_s),
        stages={name: _ms(value) for name, value in record.stages.items()},
        over_budget=record.over_budget,
        trace_id=record.trace_id,
        answered_by=record.answered_by,
    )


def _speaking(
    event: events.ReplyStarted
    | events.FillerSent
    | events.ClauseStarted
    | events.SpeechRequested
    | events.ReplyCompleted,
) -> ServerMessage:
    match event:
        case events.ReplyStarted(turn):
            return messages.AudioStart(turn=turn)
        case events.FillerSent(turn, text, audio_s):
            return messages.FillerMessage(turn=turn, text=text, audio_ms=round(audio_s * 1000, 1))
        case events.ClauseStarted(turn, clause, text):
            return messages.ReplyText(turn=turn, clause=clause, text=text)
        case events.SpeechRequested(turn, clause, text):
            return messages.SpeechBrowser(turn=turn, clause=clause, text=text)
        case events.ReplyCompleted(turn, audio_s):
            return messages.AudioEnd(turn=turn, audio_ms=round(audio_s * 1000, 1))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
