"""What the operator is told from outside: environment variables first, flags over them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError

from burnish_engine.base import Record
from burnish_engine.errors import StalledError
from burnish_engine.redact import sanitized

# The releases whose configuration is rendered here.
TRITON_IMAGE = "nvcr.io/nvidia/tritonserver:26.07-py3"
OPENVINO_MODEL_SERVER_IMAGE = "docker.io/openvino/model_server:2026.3"


class InvalidSettings(StalledError):
    """The operator cannot start like this."""


class Settings(Record):
    """The operator's configuration.

    optimizer_image, serving_image: what Jobs and Deployments run (pin them by digest or version).
    triton_image, openvino_model_server_image: what answers where a model asks for another runtime.
    repository: where engines go unless a model says otherwise (`host/path`).
    plain_http: `host:port` spoken to without TLS, passed on to every pod.
    watch_namespaces: empty means the whole cluster.
    prometheus_url: the Prometheus that scrapes serving pods, for the analysis of canaries.
    max_jobs: how many Jobs may build engines at once, of all models; 0: no limit.
    registry_secret: name of a `kubernetes.io/dockerconfigjson` Secret in each model's namespace.
    leader_elect: whether this process asks for a Lease before it writes; without, it must be the only one.
    lease_namespace: where the Lease lies; in a pod, its own namespace.
    lease_seconds: how long it lasts when its holder is silent: how long nobody leads after a crash.
    """

    optimizer_image: str = Field(min_length=1)
    serving_image: str = Field(min_length=1)
    triton_image: str = Field(default=TRITON_IMAGE, min_length=1)
    openvino_model_server_image: str = Field(default=OPENVINO_MODEL_SERVER_IMAGE, min_length=1)
    repository: str = ""
    plain_http: str = ""
    watch_namespaces: tuple[str, ...] = ()
    registry_secret: str = ""
    leader_elect: bool = True
    lease_name: str = Field(default="burnish-operator", min_length=1)
    lease_namespace: str = ""
    lease_seconds: int = Field(default=15, ge=3, le=3600)
    prometheus_url: str = ""
    log_format: Literal["json", "text"] = "json"
    max_jobs: int = Field(default=0, ge=0, le=100_000)
    workers: int = Field(default=8, ge=1, le=64)
    metrics_port: int = Field(default=9090, ge=0, le=65535)
    health_port: int = Field(default=8080, ge=0, le=65535)


_NAMES = {
    "optimizer_image": "BURNISH_OPTIMIZER_IMAGE",
    "serving_image": "BURNISH_SERVING_IMAGE",
    "triton_image": "BURNISH_TRITON_IMAGE",
    "openvino_model_server_image": "BURNISH_OPENVINO_MODEL_SERVER_IMAGE",
    "repository": "BURNISH_REPOSITORY",
    "plain_http": "BURNISH_PLAIN_HTTP",
    "watch_namespaces": "BURNISH_WATCH_NAMESPACES",
    "max_jobs": "BURNISH_MAX_JOBS",
    "registry_secret": "BURNISH_REGISTRY_SECRET",
    "leader_elect": "BURNISH_LEADER_ELECT",
    "lease_name": "BURNISH_LEASE_NAME",
    "lease_namespace": "BURNISH_LEASE_NAMESPACE",
    "lease_seconds": "BURNISH_LEASE_SECONDS",
    "prometheus_url": "BURNISH_PROMETHEUS_URL",
    "log_format": "BURNISH_LOG_FORMAT",
}


def from_environment(
    environment: Mapping[str, str], flags: Mapping[str, object] | None = None, pod_namespace: str = ""
) -> Settings:
    """Read the settings. `pod_namespace`: of the pod that this process runs in, if it does.

    Raises: InvalidSettings: an image is not named, a value cannot be read, or the Lease has no namespace.
    """
    values: dict[str, object] = {
        field: environment[name] for field, name in _NAMES.items() if environment.get(name)
    }
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    values["watch_namespaces"] = _split(values.get("watch_namespaces", ""))
    for field in ("optimizer_image", "serving_image"):
        if not values.get(field):
            raise InvalidSettings(
                _NAMES[field], found="nothing", expected="a container image", remedy=f"Set {_NAMES[field]}."
            )
    _check_url(str(values.get("prometheus_url", "")))
    values["repository"] = str(values.get("repository", "")).removeprefix("oci://").rstrip("/")
    values["lease_namespace"] = values.get("lease_namespace") or pod_namespace
    try:
        return _with_lease(Settings.model_validate(values))
    except ValidationError as error:
        raise _refused(error) from error


def _with_lease(settings: Settings) -> Settings:
    if settings.leader_elect and not settings.lease_namespace:
        raise InvalidSettings(
            "--lease-namespace",
            found="none, outside of a pod",
            expected="where the Lease of the leader lies",
            remedy="Name it, or say --no-leader-elect where no other operator runs.",
        )
    return settings


def _check_url(url: str) -> None:
    if url and not url.startswith(("http://", "https://")):
        name, expected = _NAMES["prometheus_url"], "http://host:port, or https://…"
        raise InvalidSettings(name, found=sanitized(url), expected=expected, remedy=f"Change {name}.")


def _refused(error: ValidationError) -> InvalidSettings:
    first = error.errors()[0]
    field = str(first["loc"][0])
    name = _NAMES.get(field, f"--{field.replace('_', '-')}")
    return InvalidSettings(
        name,
        found=str(first["input"]),
        expected=first["msg"].removeprefix("Input should be "),
        remedy=f"Change {name}, and start again.",
    )


def _split(value: object) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(value).split(",") if part.strip())
