"""What the HTTP port can be asked: one table, from which routes and the OpenAPI document are made.

Source: kserve/open-inference-protocol, `specification/protocol/inference_rest.md`;
triton-inference-server/server, `docs/protocol/`: model_configuration, statistics, model_repository.
"""

from dataclasses import dataclass

MODEL = "/v2/models/{model}"
VERSION = "/v2/models/{model}/versions/{version}"


@dataclass(frozen=True)
class Operation:
    """One thing to ask.

    name: what it is called in code; its handler goes by this name.
    takes, gives: schemas of the bodies, by their names in `burnish_serving.http.schemas`.
    statuses: what it answers beside 200.
    """

    method: str
    path: str
    name: str
    summary: str
    gives: str
    takes: str | None = None
    statuses: tuple[int, ...] = ()


def _of_model(method: str, end: str, name: str, summary: str, gives: str) -> tuple[Operation, ...]:
    return tuple(
        Operation(method, path + end, name, summary, gives, statuses=(404, 503)) for path in (MODEL, VERSION)
    )


def _infer(path: str) -> Operation:
    return Operation(
        *("POST", path, "infer", "Answer an inference request.", "InferenceResponse", "InferenceRequest"),
        statuses=(400, 404, 408, 413, 415, 429, 500, 503),
    )


def _of_repository(name: str, summary: str) -> Operation:
    path = f"/v2/repository/models/{{model}}/{name}"
    return Operation("POST", path, name, summary, "Empty", statuses=_REPOSITORY_STATUSES)


_REPOSITORY_STATUSES = (400, 403, 404, 408, 413, 422, 502, 503, 507)

OPERATIONS = (
    Operation("GET", "/v2", "server", "Name, version and extensions of the server.", "ServerMetadata"),
    Operation("GET", "/v2/health/live", "live", "Whether the process is alive.", "Live"),
    Operation("GET", "/v2/health/ready", "ready", "Whether all models are ready.", "Ready", statuses=(503,)),
    Operation("GET", "/v2/models", "model_names", "The models that are served.", "ModelNames"),
    Operation("GET", "/v2/models/stats", "all_statistics", "Counts and times of every model.", "Statistics"),
    Operation("POST", "/v2/repository/index", "index", "Every model and its state.", "RepositoryIndex"),
    _of_repository("load", "Serve another engine under this name (parameter burnish.engine)."),
    _of_repository("unload", "Serve this model no more."),
    Operation("GET", "/v2/openapi.json", "openapi", "This document.", "OpenApi"),
    *_of_model("GET", "", "model", "Inputs and outputs of a model.", "ModelMetadata"),
    *_of_model("GET", "/ready", "model_ready", "Whether a model is ready.", "Ready"),
    *_of_model(
        "GET", "/config", "model_config", "A model's configuration, as Triton tells it.", "ModelConfig"
    ),
    *_of_model("GET", "/stats", "statistics", "Counts and times of a model.", "Statistics"),
    *(_infer(path + "/infer") for path in (MODEL, VERSION)),
)
