"""What a run found, as plain records: by tool and mode."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Latency:
    """At concurrency 1, in seconds. over_*: above the model alone in the client's process.

    over_p50: median of the differences round by round; over_p90, over_p99: differences of the percentiles.
    """

    requests: int
    p50: float
    p90: float
    p99: float
    over_p50: float
    over_p90: float
    over_p99: float


@dataclass(frozen=True)
class Throughput:
    """Right answers a second, with so many clients that each wait for their answer."""

    concurrency: int
    per_second: float
    refused: int = 0
    wrong: int = 0
    failed: str = ""


@dataclass(frozen=True)
class Overload:
    """Arrivals by a clock at twice the capacity, beside the same at a fifth of it. Seconds.

    accepted_p99: of all that were not refused; None: more than 1 % of them got no answer at all.
    refused_p50, refused_p99: how soon a refusal came; None: none was refused.
    """

    offered_per_second: float
    seconds: float
    unloaded_p99: float | None
    accepted_p99: float | None
    accepted: int
    refused: int
    unanswered: int
    refused_p50: float | None = None
    refused_p99: float | None = None
    wrong: int = 0
    failed: str = ""
    late_p99: float = 0.0


@dataclass
class Cell:
    """One tool in one mode. failed: why there is nothing."""

    latency: Latency | None = None
    throughput: list[Throughput] = field(default_factory=list)
    overload: Overload | None = None
    failed: str = ""

    @property
    def best_per_second(self) -> float:
        """The highest throughput that was seen, 0 without any."""
        return max((each.per_second for each in self.throughput), default=0.0)

    def per_second(self, concurrency: int) -> float | None:
        """The throughput at a concurrency, where it was measured."""
        return next((t.per_second for t in self.throughput if t.concurrency == concurrency), None)


@dataclass
class Results:
    """Mode -> tool -> cell, and what they are of."""

    facts: dict[str, Any]
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)

    def cell(self, mode: str, tool: str) -> Cell:
        """The cell, made where it is not there."""
        return self.cells.setdefault(mode, {}).setdefault(tool, Cell())


def save(path: Path, results: Results) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """What `save` wrote. Raises: OSError, ValueError, TypeError."""
    told = json.loads(path.read_text(encoding="utf-8"))
    cells = {
        mode: {tool: _cell(each) for tool, each in tools.items()} for mode, tools in told["cells"].items()
    }
    return Results(told["facts"], cells)


def _cell(told: Mapping[str, Any]) -> Cell:
    return Cell(
        Latency(**told["latency"]) if told["latency"] else None,
        [Throughput(**each) for each in told["throughput"]],
        Overload(**told["overload"]) if told["overload"] else None,
        told["failed"],
    )
