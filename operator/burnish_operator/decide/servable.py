"""Whether the server that a model asks for can serve the engine that won: told before it is rolled out."""

from dataclasses import dataclass

from burnish_engine.layout import fit
from burnish_engine.layout.runtimes import ServingRuntime
from burnish_engine.redact import sanitized
from burnish_operator.decide.figures import Built
from burnish_operator.observe import Workload

BASELINE = "baseline"


@dataclass(frozen=True)
class Held:
    """Why an engine is not rolled out. `blocked`: only a change of the spec helps."""

    blocked: bool
    reason: str
    message: str


def held(
    runtime: ServingRuntime, built: Built | None, engine: str, deployment: Workload | None
) -> Held | None:
    """None: nothing is in the way.

    Args: engine: `oci://repository@sha256:…` of `built`.   deployment: what is there now.
    """
    if built is None or runtime is ServingRuntime.BURNISH:
        return None
    try:
        fit.check_backend(engine, built.engine.backend, runtime)
        if built.descriptor is not None:
            fit.check(engine, built.descriptor, runtime)
    except fit.EngineNotServable as error:
        return Held(True, error.reason, sanitized(f"{error}{_why(built)}"))
    if built.descriptor is None and not _serves(deployment, engine, runtime):
        message = f"Waits for the registry, to see whether {runtime.value} can serve the engine."
        return Held(False, "WaitingForRegistry", message)
    return None


def _why(built: Built) -> str:
    """The original runs on ONNX Runtime, whatever was looked for."""
    return " Nothing beat the original on this target." if built.engine.recipe == BASELINE else ""


def _serves(deployment: Workload | None, engine: str, runtime: ServingRuntime) -> bool:
    return deployment is not None and (deployment.engine, deployment.runtime) == (engine, runtime)
