"""Prometheus and Alertmanager beside one service: their rules, their configuration and the commands that run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from voice_loadtest.errors import StackError

ROOT: Final = Path(__file__).parents[2]
_WAIT: Final = re.compile(r"(?P<what>group_wait|group_interval|repeat_interval): (?P<count>\d+)(?P<unit>[smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def write_rules(folder: Path, faster: float) -> None:
    """Makes the project's rules, with windows divided by `faster`. Raises StackError."""
    generate = [sys.executable, "-m", "alerts", "--out", str(folder), "--faster", str(faster)]
    try:
        subprocess.run(generate, cwd=ROOT, check=True, capture_output=True)  # noqa: S603  our own program
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise StackError(f"the rules could not be made: {last[0]}") from None


def prometheus_command(
    folder: Path, program: str, url: str, service_url: str, scrape_s: float, alertmanager_url: str | None
) -> list[str]:
    """Writes Prometheus' configuration; returns the command that runs it. Without Alertmanager alerts reach the boards
    alone.
    """
    managers = "" if alertmanager_url is None else f"'{_host(alertmanager_url)}'"
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        f"global: {{scrape_interval: {scrape_s * 1000:.0f}ms, evaluation_interval: {scrape_s * 1000:.0f}ms}}\n"
        f"rule_files: ['{folder / 'recording.yml'}', '{folder / 'rules.yml'}']\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: [{managers}]}}]}}]}}\n"
        "scrape_configs:\n"
        f"  - {{job_name: voice-agent, static_configs: [{{targets: ['{_host(service_url)}']}}]}}\n",
        encoding="utf-8",
    )
    return [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={_host(url)}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]


def alertmanager_command(
    folder: Path, program: str, url: str, service_url: str, token: str, faster: float
) -> list[str]:
    """Writes the project's Alertmanager configuration for this stack, with waits divided by `faster`; returns the
    command that runs it. The service is told of alerts; chat, pager and mail lack their secrets, so nothing goes out.
    """
    secrets = folder / "alertmanager-secrets"
    secrets.mkdir()
    (secrets / "alerts-token").write_text(token, encoding="utf-8")
    text = (ROOT / "alerts" / "alertmanager.yml").read_text(encoding="utf-8")
    for shipped, here in (
        ("http://agent:8001", service_url),
        ("/etc/alertmanager/secrets", str(secrets)),
        ("smtp_smarthost: localhost:25", "smtp_smarthost: 127.0.0.1:1"),  # where no mail server is
    ):
        if shipped not in text:
            raise StackError(f"alerts/alertmanager.yml does not say {shipped!r}: it cannot be run here")
        text = text.replace(shipped, here)
    configuration = folder / "alertmanager.yml"
    configuration.write_text(_WAIT.sub(lambda wait: _faster(wait, faster), text), encoding="utf-8")
    return [
        program,
        f"--config.file={configuration}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={_host(url)}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


def _faster(wait: re.Match[str], faster: float) -> str:
    seconds = int(wait["count"]) * _SECONDS[wait["unit"]]
    return f"{wait['what']}: {seconds * 1000 / faster:.0f}ms"


def _host(url: str) -> str:
    return url.removeprefix("http://")
