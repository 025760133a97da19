"""What one optimization is given, and what it gives back."""

from dataclasses import dataclass, field
from pathlib import Path

from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.redact import sanitized
from burnish_engine.report import Report
from burnish_engine.request import OptimizationRequest
from burnish_optimizer.report.limits import broken_limits
from burnish_optimizer.targets.fingerprint import available_memory_bytes

MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Input:
    """A path, `https://…` or `oci://…`, and the digest that it must have (None: whatever it has)."""

    uri: str
    digest: str | None = None

    @property
    def shown(self) -> str:
        """The URI as logs, errors and the report may tell it: a signed address is a key to the file."""
        return sanitized(self.uri)


@dataclass(frozen=True)
class Limits:
    """What one process of a candidate may take, and what may be downloaded.

    memory_bytes: None: four fifths of the memory that this process may use.
    """

    seconds: float = 900.0
    memory_bytes: int | None = None
    download_bytes: int = 32 << 30

    def allowed_memory_bytes(self) -> int:
        """The limit, or what it is by default here and now."""
        return self.memory_bytes or int(MEMORY_SHARE * available_memory_bytes())


@dataclass(frozen=True)
class OptimizeJob:
    """One source, one target.

    Args:
        key: the engine key, None: computed from the materials, the request, the target and the toolchain.
        target_name: the accelerator class. target_facts: its facts; None: this machine's fingerprint.
        pin: keep measured processes on fixed processors, where fewer threads than processors are asked for.
        work_dir: scratch; answers of the reference are cached there. output_dir: becomes the engine folder.
    """

    source: Input
    work_dir: Path
    output_dir: Path
    request: OptimizationRequest = field(default_factory=OptimizationRequest)
    calibration: Input | None = None
    evaluation: Input | None = None
    name: str = "model"
    key: str | None = None
    target_name: str | None = None
    target_facts: dict[str, str] | None = None
    limits: Limits = field(default_factory=Limits)
    pin: bool = False


@dataclass(frozen=True)
class OptimizeResult:
    """The engine folder (`engine.json`, model files, `report.json`, `report.html`) and its records."""

    folder: Path
    descriptor: EngineDescriptor
    report: Report

    @property
    def message(self) -> str:
        """The result in one sentence."""
        chosen = self.report.selected
        if chosen.recipe == "baseline":
            broken = broken_limits(self.report)
            told = "Nothing beat the baseline: the engine is the source itself"
            return f"{told}, and {broken}." if broken else f"{told}."
        accuracy = self.report.accuracy
        speedup = self.report.speedup
        how = "was not measured" if speedup is None else f"is {speedup:.2f} × as fast as the baseline"
        return (
            f"{chosen.recipe} {how}; "
            f"{accuracy.metric.value} {accuracy.value:.4f} (reference {accuracy.reference:.4f}, "
            f"{accuracy.samples} samples)."
        )
