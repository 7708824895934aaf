"""Every image that is run or built on has a version, and can be pinned by digest from outside."""

from __future__ import annotations

import re
from typing import Final

import yaml

from tests.support.paths import ROOT

SETTABLE: Final = re.compile(r"\$\{(?P<name>[A-Z]+_IMAGE):-(?P<image>[a-z/]+):(?P<tag>[\w.-]+)\}")


def test_compose_takes_every_image_from_a_setting_that_the_documents_name() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    document = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert services
    for name, service in services.items():
        given = service.get("image") or service["build"]["args"]["PYTHON_IMAGE"]
        found = SETTABLE.fullmatch(given)
        assert found is not None, f"{name}: {given}"
        assert found["tag"] != "latest"
        assert f"`{found['name']}`" in document


def test_the_dockerfile_is_built_on_nothing_else() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^ARG PYTHON_IMAGE=(.+)$", text, re.MULTILINE) == ["python:3.12-slim"]
    own = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
    assert own >= {"service", "sandbox"}
    assert set(re.findall(r"^FROM (\S+) AS", text, re.MULTILINE)) <= own | {"${PYTHON_IMAGE}"}
