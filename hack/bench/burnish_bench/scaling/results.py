"""What a run found, as plain records."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """One run: how many of what."""

    models: int
    targets: int
    classes: int
    nodes: int

    @property
    def name(self) -> str:
        """What the run is called in tables."""
        return f"{self.models:,} × {self.targets}, {self.classes} class(es), {self.nodes} nodes"


@dataclass
class Run:
    """Figures of one setting, by name; seconds, milliseconds and bytes as the names say."""

    setting: Setting
    burnish: Figures = field(default_factory=dict)
    baseline: Figures = field(default_factory=dict)


@dataclass
class Results:
    """All runs, and what they are of."""

    facts: dict[str, Any]
    runs: list[Run] = field(default_factory=list)

    def put(self, run: Run) -> None:
        """Add a run in place of an earlier one of the same setting."""
        others = [each for each in self.runs if each.setting != run.setting]
        self.runs = sorted([*others, run], key=lambda each: (each.setting.targets, each.setting.models))


def save(path: Path, results: Results) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """What `save` wrote. Raises: OSError, ValueError, TypeError."""
    told = json.loads(path.read_text(encoding="utf-8"))
    runs = [Run(Setting(**each["setting"]), each["burnish"], each["baseline"]) for each in told["runs"]]
    return Results(told["facts"], runs)
