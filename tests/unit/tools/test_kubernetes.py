"""The manifests: made from the code, as their schemas want them, and safe by their fields."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from agent.settings import Settings
from agent.telemetry import catalog
from tests.support.paths import ROOT
from tools.kubernetes import workload
from tools.kubernetes.__main__ import documents, text_of

FILES = documents()
VERSIONS = ("1.30", "1.33", "1.37")
OWN_SCHEMAS = ("serving.knative.dev", "monitoring.coreos.com", "keda.sh", "kustomize.config.k8s.io")
ALL: list[dict[str, Any]] = [manifest for manifests in FILES.values() for manifest in manifests]
POD: dict[str, Any] = workload.deployment()["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_code_makes(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == text_of(FILES[name]), "run make boards"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_take_every_manifest(version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="the schemas are not installed: make test does it")
    checked = 0
    for name, manifests in FILES.items():
        for manifest in yaml.safe_load_all((ROOT / name).read_text(encoding="utf-8")):
            if not manifest["apiVersion"].startswith(OWN_SCHEMAS):
                validate.validate(manifest, version, strict=True)
                checked += 1
        assert manifests
    assert checked >= 10


def test_a_wrong_field_is_found() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="the schemas are not installed: make test does it")
    wrong = workload.deployment()
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, VERSIONS[-1], strict=True)


def test_nobody_is_root_and_nothing_can_be_written() -> None:
    assert POD["securityContext"]["runAsNonRoot"] and not POD["automountServiceAccountToken"]
    context = CONTAINER["securityContext"]
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert f"--uid {workload.UID} " in (ROOT / "Dockerfile").read_text()


def test_every_secret_is_a_reference_and_every_plain_value_a_setting() -> None:
    by_reference = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in CONTAINER["env"]}
    wanted = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert len(by_reference) == len(wanted) + 1 and "ANTHROPIC_API_KEY" in by_reference
    assert {name for name, one in by_reference.items() if not one.get("optional")} == set(workload.REQUIRED)
    names = {f"VOICE_AGENT_{name.upper()}" for name in Settings.model_fields}
    run = workload.cloud_run()["spec"]["template"]["spec"]["containers"][0]["env"]
    plain = {*workload.settings()["data"], *(one["name"] for one in run if "value" in one)}
    assert plain <= names
    assert not plain & set(by_reference)


def test_a_pod_has_the_time_that_its_drain_takes() -> None:
    drain_s = float(workload.settings()["data"]["VOICE_AGENT_DRAIN_S"])
    assert POD["terminationGracePeriodSeconds"] >= CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"] + drain_s + 10
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    rolling = workload.deployment()["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_pods_are_counted_by_a_metric_that_exists() -> None:
    name = f"voice_agent_{catalog.ACTIVE_SESSIONS.name.removeprefix('voice_agent_')}"
    scaler = workload.counting()[1]["spec"]
    assert scaler["metrics"][0]["pods"]["metric"]["name"] == name
    assert name in workload.keda()["spec"]["triggers"][0]["metadata"]["query"]
    assert int(scaler["metrics"][0]["pods"]["target"]["averageValue"]) < workload.CALLS


def test_all_manifests_can_be_applied() -> None:
    """`kubectl apply` keeps what it applied in an annotation of at most 256 KiB."""
    assert all(len(yaml.safe_dump(manifest)) < 256 * 1024 for manifest in ALL)
    listed = set(next(one for one in ALL if one["kind"] == "Kustomization")["resources"])
    there = {name.rpartition("/")[2] for name in FILES if name.count("/") == 2 and name.startswith("deploy/kubernetes")}
    assert listed == there - {"kustomization.yaml"}


def test_cloud_run_ends_no_call_in_the_middle_of_its_hour() -> None:
    spec = workload.cloud_run()["spec"]["template"]["spec"]
    session_s = next(float(one["value"]) for one in spec["containers"][0]["env"] if "MAX_SESSION_S" in one["name"])
    assert session_s < spec["timeoutSeconds"] == 3600
