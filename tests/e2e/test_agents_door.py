"""`GET /v1/agents` takes the credentials of `POST /v1/sessions`, and no more tries of them."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from tests.support.stack import API_KEY, running_stack


@pytest.mark.slow
async def test_keys_cannot_be_guessed_beside_the_door() -> None:
    async with running_stack(unlimited_addresses=(), tokens_per_minute=10) as stack, httpx.AsyncClient() as client:
        codes: Counter[int] = Counter()
        for number in range(40):
            guess = {"authorization": f"Bearer guessed-{number}"}
            codes[(await client.get(f"{stack.url}/v1/agents", headers=guess)).status_code] += 1
        assert codes[401] <= 11
        assert codes[401] + codes[429] == 40
        session = await client.post(f"{stack.url}/v1/sessions", headers={"authorization": "Bearer guessed"})
        assert session.status_code == 429  # one pace for both
        known = {"authorization": f"Bearer {API_KEY}"}
        assert (await client.get(f"{stack.url}/v1/agents", headers=known)).status_code == 200
        assert (await client.get(f"{stack.url}/v1/agents")).status_code == 200
