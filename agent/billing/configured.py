"""The prices that calls really have here: the book of the settings, without what runs on machines of one's own."""

from __future__ import annotations

from agent.billing.prices import PriceBook, load_prices
from agent.settings import Settings


def configured_prices(settings: Settings) -> PriceBook:
    """Raises ConfigurationError for a wrong file."""
    return load_prices(settings.prices_file).without_paying(settings.unpaid())
