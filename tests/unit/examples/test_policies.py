"""The example files are read by the service, and do what their page says."""

from __future__ import annotations

from datetime import UTC, datetime

from click.testing import CliRunner

from agent.billing.prices import load_prices
from agent.budgets import Tier, load_budgets
from agent.cli.main import cli
from agent.core.calls import Unit
from agent.policy.policies import load_policies
from tests.support.paths import ROOT

FOLDER = ROOT / "examples" / "policies"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_the_canary_gets_a_twentieth_of_the_free_callers() -> None:
    book = load_policies(FOLDER / "canary.toml")
    assert dict(book.assignments[Tier.FREE].weights) == {"haiku_short": 5, "sonnet_first": 95}
    assert book.baseline == "sonnet_first"
    assigned = [book.assign(Tier.FREE, f"session-{number}").name for number in range(2000)]
    assert 0.03 < assigned.count("haiku_short") / 2000 < 0.07
    step_down = {budget.governor.step_down_policy for budget in load_budgets().tiers.values()}
    assert step_down <= book.policies.keys()


def test_a_contract_replaces_what_it_names_and_nothing_else() -> None:
    shipped, own = load_prices(), load_prices(FOLDER / "contract-prices.toml")

    def rate(book: object, provider: str, model: str, unit: Unit) -> object:
        assert isinstance(book, type(shipped))
        return book.rate(provider, model, unit, NOW)

    flash = ("elevenlabs", "eleven_flash_v2_5", Unit.CHARACTERS)
    haiku = ("anthropic", "claude-haiku-5-5", Unit.OUTPUT_TOKENS)
    assert rate(own, *flash) != rate(shipped, *flash)
    assert rate(own, *haiku) == rate(shipped, *haiku)


def test_the_commands_of_the_page_run_with_the_files() -> None:
    environment = {
        "VOICE_AGENT_POLICIES_FILE": str(FOLDER / "canary.toml"),
        "VOICE_AGENT_PRICES_FILE": str(FOLDER / "contract-prices.toml"),
    }
    command = "cost explain --minutes 3 --policy haiku_short --against sonnet_first".split()
    done = CliRunner().invoke(cli, command, env=environment)
    assert done.exit_code == 0, done.output
    assert "haiku_short" in done.output
