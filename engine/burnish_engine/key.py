"""The engine key: same key, same engine, never built twice."""

from burnish_engine import digest
from burnish_engine.base import Record
from burnish_engine.request import OptimizationRequest

KEY_LABEL_LENGTH = 16


class KeyInputs(Record):
    """All that decides which engine comes out. A field added here makes every engine be built anew.

    target: the facts of the accelerator class (product, capability or features, cores, memory …).
    toolchain: name to version, or to image digest, of whatever does the work.
    """

    source: str
    calibration: str | None = None
    evaluation: str | None = None
    request: OptimizationRequest
    target: dict[str, str]
    toolchain: dict[str, str]


def engine_key(inputs: KeyInputs) -> str:
    """64 hexadecimal digits: SHA-256 of the inputs' canonical JSON."""
    return digest.of_json(inputs.model_dump(mode="json")).removeprefix("sha256:")


def short_key(key: str) -> str:
    """The first digits, for names and labels (a label value holds at most 63 characters)."""
    return key[:KEY_LABEL_LENGTH]
