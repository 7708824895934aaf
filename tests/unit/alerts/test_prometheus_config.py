from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT
from tests.support.promtool import needs_promtool


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@needs_promtool
def test_promtool_takes_the_configuration_and_the_rules() -> None:
    for command in (
        ["check", "config", "--syntax-only", str(ROOT / "alerts" / "prometheus.yml")],
        ["check", "rules", *map(str, sorted((ROOT / "alerts" / "generated").glob("*.yml")))],
    ):
        done = subprocess.run(["promtool", *command], check=False, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr


def test_compose_mounts_what_the_configurations_name() -> None:
    services = read("docker-compose.yml")["services"]
    prometheus, grafana = services["prometheus"], services["grafana"]
    mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in (*prometheus["volumes"], *grafana["volumes"])}
    told = services["alertmanager"]
    mounts |= {volume.split(":")[1]: volume.split(":")[0] for volume in told["volumes"]}
    folders = ("/etc/prometheus/rules", "/etc/prometheus/targets", "/etc/prometheus/runbooks", "/etc/grafana/boards")
    for inside in (*folders, "/etc/alertmanager/secrets"):
        assert (ROOT / mounts[inside]).is_dir(), inside
    assert "--web.console.templates=/etc/prometheus/runbooks" in prometheus["command"]
    assert "--enable-feature=exemplar-storage" in prometheus["command"]
    (provider,) = read("dashboards/provisioning/dashboards/boards.yml")["providers"]
    assert provider["options"]["path"] == "/etc/grafana/boards"
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / mounts["/etc/grafana/boards"] / Path(home).name).is_file()


def test_exemplars_lead_to_traces_and_the_scrape_interval_is_the_same_everywhere() -> None:
    sources = {
        source["uid"]: source for source in read("dashboards/provisioning/datasources/sources.yml")["datasources"]
    }
    prometheus = sources["prometheus"]["jsonData"]
    assert prometheus["exemplarTraceIdDestinations"] == [{"name": "trace_id", "datasourceUid": "tempo"}]
    assert sources["tempo"]["type"] == "tempo"
    assert prometheus["timeInterval"] == read("alerts/prometheus.yml")["global"]["scrape_interval"]
