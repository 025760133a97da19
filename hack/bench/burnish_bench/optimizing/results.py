"""All that is known of one model, as it is kept in optimize.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from burnish_bench.optimizing.cells import Built
from burnish_bench.optimizing.judging import Judged
from burnish_bench.optimizing.rounds import Measured


@dataclass
class Result:
    """One model at one number of threads (None: all): by tool, what it built, its worth, its speed."""

    model: str
    threads: int | None
    metric: str
    samples: int
    reference: float
    reference_more: dict[str, float] = field(default_factory=dict)
    built: dict[str, Built] = field(default_factory=dict)
    judged: dict[str, Judged] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)
    failed: str = ""

    def drop(self, tool: str) -> float | None:
        """How far the tool's metric is below the reference's, None where nothing is known."""
        judged = self.judged.get(tool)
        return None if judged is None or judged.metric is None else self.reference - judged.metric

    def speedup(self, tool: str) -> float | None:
        """Over the baseline."""
        measured = self.measured.get(tool)
        return measured.speedup if measured else None

    def failure(self, tool: str) -> str:
        """Why the tool has no result ("": it has one)."""
        parts = (self.built.get(tool), self.judged.get(tool), self.measured.get(tool))
        return next((part.failed for part in parts if part and part.failed), "")


def save(path: Path, results: Sequence[Result], facts: dict[str, Any]) -> None:
    """All results with the machine, versions and date that they are of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {**facts, "results": [asdict(result) for result in results]}
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> tuple[list[Result], dict[str, Any]]:
    """What `save` wrote. Raises: OSError, ValueError."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return [_result(each) for each in told.pop("results")], told


def _result(told: dict[str, Any]) -> Result:
    kinds: dict[str, type[Any]] = {"built": Built, "judged": Judged, "measured": Measured}
    parts = {name: {tool: kind(**each) for tool, each in told[name].items()} for name, kind in kinds.items()}
    return Result(**{**told, **parts})
