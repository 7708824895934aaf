"""What tools do with the call itself: end it, hand it over, show something."""

from __future__ import annotations

from collections.abc import Callable

from agent.session.events import SessionEvent, TextShown, TransferRequested


class SessionActions:
    """The `CallActions` of one session. `ending`: the call ends when the reply that says goodbye was heard."""

    def __init__(self, send: Callable[[SessionEvent], None], keep: Callable[[str], None] = lambda _text: None) -> None:
        self._send, self._keep = send, keep
        self.ending = False

    def end_call(self) -> None:
        self.ending = True

    def transfer(self, summary: str) -> None:
        self._send(TransferRequested(summary))

    def take_note(self, text: str) -> None:
        self._keep(text)

    def show_text(self, text: str) -> None:
        self._send(TextShown(text))
