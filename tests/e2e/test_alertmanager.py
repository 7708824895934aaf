"""Who is told of what: by amtool, and by a real Alertmanager whose webhook is the running service."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from agent.telemetry.recorded_metrics import ROLL_BACK
from tests.support.fakes import stand_in
from tests.support.operations import ALERTS, LABELS, OPERATOR
from tests.support.paths import ROOT
from tests.support.stack import Stack, running_stack, sample
from voice_loadtest.stack.ports import free_port

CONFIGURATION: Final = ROOT / "alerts" / "alertmanager.yml"
PROGRAM: Final = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
READY_S: Final = 30.0

needs_alertmanager = pytest.mark.skipif(
    PROGRAM is None or shutil.which("amtool") is None,
    reason="Alertmanager is not installed: Debian's package prometheus-alertmanager has it",
)


def amtool(*arguments: str) -> str:
    done = subprocess.run(["amtool", *arguments], check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_alertmanager
def test_amtool_takes_the_configuration() -> None:
    assert "SUCCESS" in amtool("check-config", str(CONFIGURATION))


@needs_alertmanager
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "page", "action": "rollback"}, "rollback,pager"),
        ({"severity": "page"}, "pager"),
        ({"severity": "ticket"}, "mail"),
        ({"severity": "warning"}, "chat"),
        ({"severity": "none", "alertname": "VoiceAgentWatchdog"}, "rollback,watchdog"),
    ],
)
def test_every_kind_of_alert_reaches_those_whom_it_concerns(labels: dict[str, str], receivers: str) -> None:
    given = [f"{name}={value}" for name, value in labels.items()]
    assert amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *given).strip() == receivers


def configuration(folder: Path, webhook: str) -> Path:
    """The project's own, with the address of the service and the file of the token, and nobody else to tell."""
    (folder / "alerts-token").write_text(ALERTS, encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    [rollback] = [receiver for receiver in found["receivers"] if receiver["name"] == "rollback"]
    text = yaml.safe_dump({**found, "receivers": [rollback, {"name": "somebody"}]})
    text = re.sub(r"receiver: (pager|chat|mail|watchdog)", "receiver: somebody", text)
    text = text.replace("http://agent:8001/v1/ops/alerts", webhook)
    path = folder / "alertmanager.yml"
    path.write_text(text.replace("/etc/alertmanager/secrets", str(folder)), encoding="utf-8")
    return path


@contextlib.asynccontextmanager
async def running_alertmanager(folder: Path, webhook: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a real Alertmanager with the project's routes and inhibition."""
    assert PROGRAM is not None
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        f"--config.file={configuration(folder, webhook)}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            async with asyncio.timeout(READY_S):
                await _ready(client)
            yield client
    finally:
        process.terminate()
        await process.wait()


async def _ready(client: httpx.AsyncClient) -> None:
    while True:
        with contextlib.suppress(httpx.TransportError):
            if (await client.get("/-/ready")).is_success:
                return
        await asyncio.sleep(0.1)


async def fire(client: httpx.AsyncClient, *alerts: Mapping[str, str]) -> None:
    body = [{"labels": labels, "annotations": {"summary": "made up"}} for labels in alerts]
    (await client.post("/api/v2/alerts", json=body)).raise_for_status()


async def inhibited(client: httpx.AsyncClient) -> None:
    """Waits until the alert that asks for a rollback is held back by another."""
    while True:
        alerts = (await client.get("/api/v2/alerts")).json()
        if any(one["labels"].get("action") == "rollback" and one["status"]["inhibitedBy"] for one in alerts):
            return
        await asyncio.sleep(0.1)


async def decided(stack: Stack) -> list[dict[str, Any]]:
    """Waits until the service has been told of an alert; returns its decisions."""
    while True:
        if sample(await stack.metrics(), "voice_agent_alert_notifications_total") > 0:
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {OPERATOR}"}) as client:
                return (await client.get(f"{stack.ops_url}/v1/ops/decisions")).json()
        await asyncio.sleep(0.1)


@needs_alertmanager
async def test_an_alert_goes_through_alertmanager_to_a_rollback_unless_a_provider_is_out(tmp_path: Path) -> None:
    with stand_in() as outside:
        outside.judge(ROLL_BACK)
        outside.judge(ROLL_BACK, tier="premium")
        settings: dict[str, Any] = {
            "operator_token": OPERATOR,
            "alerts_token": ALERTS,
            "prometheus_url": outside.url,
            "rollback_mode": "auto",
        }
        async with (
            running_stack(**settings) as stack,
            running_alertmanager(tmp_path, f"{stack.ops_url}/v1/ops/alerts") as client,
        ):
            outage = {"alertname": "VoiceAgentProviderOutage", "severity": "page", "service": "tts"}
            await fire(client, outage)
            await fire(client, {**LABELS, "tier": "free"})
            async with asyncio.timeout(READY_S):
                await inhibited(client)
            assert sample(await stack.metrics(), "voice_agent_alert_notifications_total") == 0
            over = {"labels": outage, "endsAt": "2020-01-01T00:00:00Z", "startsAt": "2019-01-01T00:00:00Z"}
            (await client.post("/api/v2/alerts", json=[over])).raise_for_status()
            await fire(client, {**LABELS, "tier": "premium"})
            async with asyncio.timeout(READY_S):
                [decision] = await decided(stack)
            assert (decision["tier"], decision["outcome"], decision["alert"]) == (
                "premium", "rolled_back", "VoiceAgentRollBackExperience",
            )  # fmt: skip
