"""Which addresses are one's own."""

from __future__ import annotations

import pytest

from agent.core.hosts import is_own_host


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434", "http://localhost:1234/v1", "http://[::1]:8080", "http://192.168.1.20:8000",
        "http://10.0.0.5", "http://ollama:11434", "http://gpu.local:8000", "http://host.docker.internal:11434",
    ],
)  # fmt: skip
def test_machines_at_home_are_ones_own(url: str) -> None:
    assert is_own_host(url)


@pytest.mark.parametrize("url", ["https://api.anthropic.com", "https://8.8.8.8", "http://local.example.com", "", "x"])
def test_machines_of_others_are_not(url: str) -> None:
    assert not is_own_host(url)
