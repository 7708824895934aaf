"""Reservations: the expected price of a call until it has ended, or what a stream was sent and is not charged yet."""

from __future__ import annotations

from collections.abc import Callable

from agent.billing.accounts import Account


class Hold:
    """A reservation; `release` it when its call has ended."""

    __slots__ = ("_accounts", "nano_usd")

    def __init__(self, accounts: tuple[Account, ...], nano_usd: int) -> None:
        self._accounts = accounts
        self.nano_usd = 0
        self.grow(nano_usd)

    def grow(self, nano_usd: int) -> None:
        """Reserves more, or less where it is negative; never less than nothing."""
        change = max(nano_usd, -self.nano_usd)
        self.nano_usd += change
        for account in self._accounts:
            account.reserved += change

    def release(self) -> None:
        """Gives the rest back; a second time changes nothing."""
        self.grow(-self.nano_usd)


class StreamHold(Hold):
    """A reservation that follows a stream: what was sent is counted whenever somebody looks at the purse."""

    __slots__ = ("_counted", "_open", "_sent")

    def __init__(self, accounts: tuple[Account, ...], open_holds: set[StreamHold]) -> None:
        super().__init__(accounts, 0)
        self._counted = 0
        self._sent: Callable[[], int] | None = None
        self._open = open_holds
        open_holds.add(self)

    def follow(self, sent: Callable[[], int]) -> None:
        """`sent` says what everything that was sent so far costs, in nano-dollars."""
        self._sent = sent

    def settle(self) -> None:
        """Reserves what was sent since the last look."""
        if self._sent is not None:
            sent = self._sent()
            self.grow(sent - self._counted)
            self._counted = sent

    def pay(self, nano_usd: int) -> None:
        """So much of what was sent has been charged, and is reserved no longer."""
        self.settle()
        self.grow(-nano_usd)

    def release(self) -> None:
        """Gives the rest back, and follows no longer."""
        self._sent = None
        self._open.discard(self)
        super().release()
