"""`python -m tools.kubernetes` (`make boards`) writes `deploy/kubernetes` and the Cloud Run service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from tools.kubernetes import monitoring, workload
from tools.kubernetes.workload import Manifest

ROOT: Final = Path(__file__).parents[2]
HEAD: Final = "# Made by `make boards` from the settings, the rules and the boards. Do not edit.\n"


def documents() -> Mapping[str, Sequence[Manifest]]:
    """Path below the project's root → the manifests of that file."""
    files: dict[str, list[Manifest]] = {
        "settings.yaml": [workload.settings()],
        "deployment.yaml": [workload.deployment()],
        "service.yaml": workload.reaching(),
        "scaling.yaml": workload.counting(),
        "network.yaml": [workload.network()],
        "monitoring.yaml": [monitoring.scrape()],
        "rules.yaml": [monitoring.rules()],
        "boards.yaml": monitoring.boards(),
    }
    together: Manifest = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(files),
    }
    found = {f"deploy/kubernetes/{name}": manifests for name, manifests in files.items()}
    return {
        **found,
        "deploy/kubernetes/kustomization.yaml": [together],
        "deploy/kubernetes/keda/scaled-object.yaml": [workload.keda()],
        "deploy/cloudrun/service.yaml": [workload.cloud_run()],
    }


def text_of(manifests: Sequence[Manifest]) -> str:
    """The text of a file."""
    return HEAD + yaml.safe_dump_all(manifests, sort_keys=False, width=100_000, allow_unicode=True)


def main() -> None:
    """Writes the files that have changed, and names them."""
    for name, manifests in documents().items():
        path, content = ROOT / name, text_of(manifests)
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
