"""How often a tool may be used and what it may cost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.billing.prices import NANO, load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Tier, load_budgets
from agent.core.errors import ConfigurationError
from agent.telemetry import catalog
from agent.telemetry.events import Cause, Paid, SessionInfo, SessionStarted, ToolFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.timeline import ToolCall
from agent.tools.builtin import send_text
from agent.tools.limits import ToolLimits, ToolPaces
from agent.tools.python_tool import tool_from
from agent.tools.tool import Tool, ToolRules
from tests.support.virtual_time import run_virtual

CENT = NANO // 100


@dataclass
class Money:
    """A purse with one cent a call."""

    left: int = 3 * CENT
    held: int = 0

    def price(self, name: str) -> int:
        return CENT

    def reserve(self, nano_usd: int) -> Money | None:
        if nano_usd > self.left - self.held:
            return None
        self.held += nano_usd
        return self

    def release(self) -> None:
        self.held = 0

    def spend(self, nano_usd: int) -> None:
        self.left -= nano_usd


def tool(**rules: object) -> Tool:
    return tool_from(send_text, ToolRules(**rules))  # pyright: ignore[reportArgumentType]


def uses(limits: ToolLimits, made: Tool, most: int = 9) -> int:
    """How often it is run until it is not."""
    for count in range(most):
        kept = limits.begin(made)
        if isinstance(kept, str):
            assert "was not run" in kept
            return count
        limits.end(made, kept, 1)
    return most


def test_a_session_uses_a_tool_so_often() -> None:
    assert uses(ToolLimits(), tool(calls_per_session=4)) == 4


def test_a_caller_uses_a_tool_so_fast_in_all_his_sessions_and_again_later() -> None:
    async def scenario() -> None:
        paces, made = ToolPaces(), tool(calls_per_minute=3)
        assert uses(ToolLimits("ada", paces), made) == 3
        assert uses(ToolLimits("ada", paces), made) == 0
        assert uses(ToolLimits("bob", paces), made) == 3
        await asyncio.sleep(20)
        assert uses(ToolLimits("ada", paces), made) == 1

    run_virtual(scenario())


def test_a_tool_costs_a_session_so_much_at_most() -> None:
    assert uses(ToolLimits(money=Money(left=100 * CENT)), tool(nano_usd_per_session=2 * CENT)) == 2


@pytest.mark.parametrize(("rules", "most"), [({}, 2), ({"read_only": True}, 1), ({"idempotent": True}, 1)])
def test_calls_at_the_same_time_cost_a_session_no_more(rules: dict[str, bool], most: int) -> None:
    limits, made = ToolLimits(money=Money(left=100 * CENT)), tool(nano_usd_per_session=2 * CENT, **rules)
    under_way = [kept for _ in range(9) if not isinstance(kept := limits.begin(made), str)]
    assert len(under_way) == most
    for kept in under_way:
        limits.end(made, kept, 1)
    assert uses(limits, made) == 2 - most, "what was not spent is there again"


def test_a_cap_without_room_for_a_second_try_allows_none() -> None:
    limits, made = ToolLimits(money=Money(left=100 * CENT)), tool(nano_usd_per_session=3 * CENT, idempotent=True)
    first = limits.begin(made)
    second = limits.begin(made)
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert (first.tries, second.tries) == (2, 1)


def test_a_ceiling_without_room_for_a_call_and_its_second_try_lets_none_begin() -> None:
    money = Money()
    assert uses(ToolLimits(money=money), tool()) == 3
    assert (money.left, money.held) == (0, 0)
    assert uses(ToolLimits(money=Money()), tool(idempotent=True)) == 2


PRICES = """
[[price]]
provider = "tool"
models = ["credit_check"]
effective_from = 2026-01-01
usd_per_call = 0.015
source = "the contract"
"""


class Kept:
    def __init__(self) -> None:
        self.rows: list[tuple[Cause, int, int | None, bool]] = []

    def record_charges(self, event: Paid, charges: object, at: object) -> None:
        for one in charges:  # pyright: ignore  a sequence of charges
            assert (one.service, one.provider, one.model, one.unit) == ("tool", "tool", "credit_check", "calls")
            self.rows.append((event.cause, one.quantity, one.nano_usd, one.estimated))


@pytest.mark.parametrize(
    ("outcome", "tries", "expected"),
    [
        ("ok", 1, [(Cause.SERVED, 1, 15_000_000, False)]),
        ("refused", 1, [(Cause.SERVED, 1, 15_000_000, False)]),
        ("ok", 2, [(Cause.RETRY, 1, 15_000_000, True), (Cause.SERVED, 1, 15_000_000, False)]),
        ("timeout", 1, [(Cause.RETRY, 1, 15_000_000, True)]),
        ("cancelled", 1, [(Cause.INTERRUPTED, 1, 15_000_000, True)]),
        ("unavailable", 0, []),
        ("limit", 0, []),
    ],
)
def test_a_call_of_a_paid_tool_is_a_charge_with_its_cause(
    tmp_path: Path, outcome: str, tries: int, expected: list[tuple[Cause, int, int, bool]]
) -> None:
    (tmp_path / "prices.toml").write_text(PRICES, encoding="utf-8")
    kept, metrics = Kept(), Metrics()
    money = PricingSink(load_prices(tmp_path / "prices.toml"), metrics, load_budgets(None), kept)
    session = SessionInfo("s1", "ada", Tier.FREE, "haiku_first", 1)
    money.handle(SessionStarted(session))
    money.handle(ToolFinished(session, 2, ToolCall("credit_check", outcome, 0.0, 0.1, tries)))
    money.handle(ToolFinished(session, 2, ToolCall("free_rooms", outcome, 0.0, 0.1, tries)))
    assert kept.rows == expected
    cost = money.running_cost("s1")
    assert cost.nano_usd == 15_000_000 * len(expected)
    assert cost.by_service.get("tool", 0.0) == pytest.approx(0.015 * len(expected))
    told = metrics.registry.get_sample_value
    for cause, *_ in expected:
        labels = {"service": "tool", "provider": "tool", "model": "credit_check", "tier": "free"}
        assert told(catalog.COST.name, {**labels, "policy": "haiku_first", "cause": cause}) == pytest.approx(0.015)


@pytest.mark.parametrize(
    ("old", "new"), [('"tool"', '"anthropic"'), ("usd_per_call = 0.015", "usd_per_1000_characters = 1")]
)
def test_a_price_by_the_call_is_for_tools_alone(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "prices.toml").write_text(PRICES.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="usd_per_call is the unit of the provider tool"):
        load_prices(tmp_path / "prices.toml")
