"""Fleets in memory whose models are served by other servers."""

from typing import Any

from burnish_engine.request import Backend
from burnish_operator.ports import DEPLOYMENT, OPTIMIZED_MODEL, Kind
from fakes.fleet import SETTINGS, SMALL, Fleet, model, node
from support.layouts import told

ENGINES = {
    "Burnish": told(backend=Backend.ONNXRUNTIME),
    "Triton": told(backend=Backend.ONNXRUNTIME),
    "OpenVINOModelServer": told(backend=Backend.OPENVINO),
}
OTHERS = ("Triton", "OpenVINOModelServer")


def fleet(runtime: str | None = None, **serving: Any) -> Fleet:
    """A cluster whose optimizer makes an engine that the runtime can serve."""
    settings = SETTINGS.model_copy(update={"registry_secret": "pull", "plain_http": "r.example"})
    found = Fleet(node("a", SMALL), settings=settings)
    if runtime is None:
        found.cluster.put(model())
    else:
        found.cluster.put(model(serving={"runtime": runtime, **serving}))
        makes(found, runtime)
    return found


def makes(found: Fleet, runtime: str) -> None:
    engine = ENGINES[runtime]
    found.registry.describe = lambda key: engine.model_copy(update={"key": key})


def asks(found: Fleet, **serving: Any) -> None:
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"serving": serving})


def only(found: Fleet, kind: Kind) -> dict[str, Any]:
    [obj] = found.cluster.of_kind(kind)
    return obj


def pod(found: Fleet) -> dict[str, Any]:
    template: dict[str, Any] = only(found, DEPLOYMENT)["spec"]["template"]
    return template
