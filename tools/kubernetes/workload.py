"""What runs: the pods, how they are reached, how many there are, and what they may reach. Derived from the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from agent.settings import PREFIX, Settings

Manifest = dict[str, Any]

NAME: Final = "voice-agent"
SECRET: Final = "voice-agent"
LABELS: Final = {"app.kubernetes.io/name": NAME}
REQUIRED: Final = ("VOICE_AGENT_DATABASE_URL", "VOICE_AGENT_TOKEN_SECRET")  # no pod starts without them
IMAGE: Final = "voice-agent:latest"  # kustomization.yaml of an installation names its own registry and tag
CALLS: Final = 100  # a pod's calls at which another one is wanted well before it is full
CALLS_SHARE: Final = 0.6
CORES: Final = "1"
MEMORY: Final = "512Mi"
UID: Final = 10001  # the Dockerfile's user
LEAVE_S: Final = 5  # until load balancers have noticed that a pod goes away
PORTS: Final = {"http": "port", "ops": "ops_port"}


def default(name: str) -> Any:
    """The default of a setting."""
    return Settings.model_fields[name].default


def secrets() -> Iterator[str]:
    """The environment variables that hold secrets, from the types of the settings; the database's address has one."""
    for name, field in Settings.model_fields.items():
        if "SecretStr" in str(field.annotation) or name == "database_url":
            yield _variable(name, field)


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{PREFIX}{name.upper()}"


def labelled(kind: str, api: str, name: str = NAME, **parts: Any) -> Manifest:
    """A manifest of the application."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": dict(LABELS)}, **parts}


def settings() -> Manifest:
    """What is no secret; the rest of docs/reference/settings.md may be added."""
    values = {
        "HOST": "0.0.0.0",
        "OPS_HOST": "0.0.0.0",
        "LOG_FORMAT": "json",
        "ENVIRONMENT": "production",
        "MAX_SESSIONS": str(CALLS),
        "DRAIN_S": f"{default('drain_s'):g}",
        "ALLOWED_HOSTS": "voice.example",
        "TRUSTED_PROXIES": "10.0.0.0/8",
    }
    return labelled("ConfigMap", "v1", data={f"{PREFIX}{name}": value for name, value in values.items()})


def deployment() -> Manifest:
    """The pods: one process each, without root, and with time to drain."""
    drain_s = int(default("drain_s"))
    container = {
        "name": NAME,
        "image": IMAGE,
        "args": ["voice-agent", "serve"],
        "envFrom": [{"configMapRef": {"name": NAME}}],
        "env": [_secret(name) for name in secrets()],
        "ports": [{"name": name, "containerPort": default(setting)} for name, setting in PORTS.items()],
        "startupProbe": _probe("/health/live", periodSeconds=2, failureThreshold=30),
        "livenessProbe": _probe("/health/live", periodSeconds=10, failureThreshold=3, timeoutSeconds=5),
        "readinessProbe": _probe("/health/ready", periodSeconds=2, failureThreshold=1, timeoutSeconds=2),
        # SIGTERM drains; before it, whoever balances has to learn that no call comes here any more
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_S}}},
        "resources": {"requests": {"cpu": CORES, "memory": MEMORY}, "limits": {"memory": MEMORY}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": LEAVE_S + drain_s + 15,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": LABELS},
            }
        ],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}}],
    }
    return labelled(
        "Deployment",
        "apps/v1",
        spec={
            "selector": {"matchLabels": LABELS},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": dict(LABELS)}, "spec": spec},
        },
    )


def _secret(variable: str) -> Manifest:
    reference: Manifest = {"name": SECRET, "key": variable}
    if variable not in REQUIRED:
        reference["optional"] = True
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _probe(path: str, **times: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, **times}


def reaching() -> list[Manifest]:
    """The account, which may do nothing, and the service for callers and for the scrape."""
    ports = [{"name": name, "port": default(setting), "targetPort": name} for name, setting in PORTS.items()]
    return [
        labelled("ServiceAccount", "v1", automountServiceAccountToken=False),
        labelled("Service", "v1", spec={"selector": dict(LABELS), "ports": ports}),
    ]


def counting() -> list[Manifest]:
    """How many pods there are: two at least, one away at most, more by calls (by Prometheus' adapter)."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    calls = {
        "metric": {"name": "voice_agent_active_sessions"},
        "target": {"type": "AverageValue", "averageValue": str(_calls())},
    }
    return [
        labelled(
            "PodDisruptionBudget", "policy/v1", spec={"maxUnavailable": 1, "selector": {"matchLabels": dict(LABELS)}}
        ),
        labelled(
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            spec={
                "scaleTargetRef": target,
                "minReplicas": 2,
                "maxReplicas": 50,
                "metrics": [{"type": "Pods", "pods": calls}],
                "behavior": {  # a pod that goes away sends its callers elsewhere: not for a lull of a minute
                    "scaleUp": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 30}]},
                    "scaleDown": {
                        "stabilizationWindowSeconds": 600,
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
                    },
                },
            },
        ),
    ]


def keda() -> Manifest:
    """The same by KEDA, which asks Prometheus itself: instead of the HorizontalPodAutoscaler."""
    trigger = {
        "type": "prometheus",
        "metadata": {
            "serverAddress": "http://prometheus.monitoring:9090",
            "query": f'sum(voice_agent_active_sessions{{job="{NAME}"}})',
            "threshold": str(_calls()),
        },
    }
    spec = {"scaleTargetRef": {"name": NAME}, "minReplicaCount": 2, "maxReplicaCount": 50, "cooldownPeriod": 600}
    return labelled("ScaledObject", "keda.sh/v1alpha1", spec={**spec, "triggers": [trigger]})


def _calls() -> int:
    return int(CALLS * CALLS_SHARE)


def network() -> Manifest:
    """Callers come from the ingress, the scrape from the monitoring; out go names, HTTPS, database, monitoring."""

    def of_namespace(name: str) -> list[Manifest]:
        return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]

    def port(number: int, protocol: str = "TCP") -> Manifest:
        return {"port": number, "protocol": protocol}

    return labelled(
        "NetworkPolicy",
        "networking.k8s.io/v1",
        spec={
            "podSelector": {"matchLabels": dict(LABELS)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": of_namespace("ingress"), "ports": [port(default("port"))]},
                {"from": of_namespace("monitoring"), "ports": [port(default("ops_port"))]},
            ],
            "egress": [
                {"to": of_namespace("kube-system"), "ports": [port(53, "UDP"), port(53)]},
                {"ports": [port(443), port(5432)]},
                {"to": of_namespace("monitoring"), "ports": [port(9090), port(4318)]},
            ],
        },
    )


def cloud_run() -> Manifest:
    """The service of Cloud Run: a WebSocket lasts 60 minutes there at most, and then the client comes back."""
    container = deployment()["spec"]["template"]["spec"]["containers"][0]
    names = [*REQUIRED, "DEEPGRAM_API_KEY", "ANTHROPIC_API_KEY", "ELEVENLABS_API_KEY"]
    plain = {
        "VOICE_AGENT_HOST": "0.0.0.0",
        "VOICE_AGENT_LOG_FORMAT": "json",
        "VOICE_AGENT_MAX_SESSIONS": str(CALLS),
        "VOICE_AGENT_MAX_SESSION_S": "3540",  # it says goodbye before it is cut
        "VOICE_AGENT_DRAIN_S": "8",  # SIGKILL comes after 10 s
        "VOICE_AGENT_ALLOWED_HOSTS": "voice.example",
    }
    variables: list[Manifest] = [{"name": name, "value": value} for name, value in plain.items()]
    variables += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": name.lower().replace("_", "-"), "key": "latest"}}}
        for name in names
    ]
    template: Manifest = {
        "metadata": {
            "annotations": {
                "autoscaling.knative.dev/minScale": "1",
                "autoscaling.knative.dev/maxScale": "50",
                "run.googleapis.com/cpu-throttling": "false",  # audio is worked on between requests, too
                "run.googleapis.com/execution-environment": "gen2",
            }
        },
        "spec": {
            "containerConcurrency": CALLS,
            "timeoutSeconds": 3600,
            "containers": [
                {
                    "image": IMAGE,
                    "args": container["args"],
                    "env": variables,
                    "ports": [{"containerPort": default("port")}],
                    "startupProbe": {"httpGet": {"path": "/health/live"}, "periodSeconds": 2, "failureThreshold": 30},
                    "livenessProbe": {"httpGet": {"path": "/health/live"}, "periodSeconds": 10},
                    "resources": {"limits": {"cpu": CORES, "memory": MEMORY}},
                }
            ],
        },
    }
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": NAME, "annotations": {"run.googleapis.com/ingress": "all"}},
        "spec": {"template": template},
    }
