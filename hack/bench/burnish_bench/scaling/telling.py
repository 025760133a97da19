"""Results as tables."""

from burnish_bench.scaling.bars import PEERS, PEERS_AT
from burnish_bench.scaling.results import Figures, Results, Run

Section = tuple[str, list[str], list[list[object]]]
_ROWS = (
    ("load", "the machine's load before", 1.0),
    ("created", "all created, s", 1.0),
    ("ready_first", "first Ready, s", 1.0),
    ("ready_10", "10 % Ready, s", 1.0),
    ("ready_50", "50 % Ready, s", 1.0),
    ("ready_90", "90 % Ready, s", 1.0),
    ("ready_100", "all Ready, s", 1.0),
    ("requests_until_ready", "requests a target until all are Ready", 1.0),
    ("requests_until_quiet", "requests a target until quiet", 1.0),
    ("writes", "writes a target", 1.0),
    ("cpu_ms", "processor a target, ms", 1.0),
    ("memory_peak_bytes", "memory at its peak, MB", 1e-6),
    ("turns", "turns a model", 1.0),
    ("reconcile_p50_ms", "turn p50, ms", 1.0),
    ("reconcile_p99_ms", "turn p99, ms", 1.0),
    ("queue_depth", "queue at its deepest", 1.0),
    ("idle_requests_a_minute", "requests a minute at rest", 1.0),
    ("restart_seconds", "restart until all were looked at, s", 1.0),
    ("restart_requests", "restart, requests", 1.0),
    ("restart_writes", "restart, writes", 1.0),
    ("server_reads_p99_ms", "API server, reads p99, ms", 1.0),
    ("server_writes_p99_ms", "API server, writes p99, ms", 1.0),
)


def sections(results: Results) -> list[Section]:
    """One table a run, and one of the requests by kind."""
    return [section for run in results.runs for section in (_figures(run), _kinds(run)) if section[2]]


def _figures(run: Run) -> Section:
    columns = {"Burnish": run.burnish, "Deployments alone": run.baseline}
    if (run.setting.models, run.setting.targets) == PEERS_AT:
        columns |= PEERS
    shown = {name: figures for name, figures in columns.items() if figures}
    rows: list[list[object]] = [
        [title, *(_cell(figures, name, scale) for figures in shown.values())]
        for name, title, scale in _ROWS
        if any(name in figures for figures in shown.values())
    ]
    return run.setting.name, ["", *shown], rows


def _cell(figures: Figures, name: str, scale: float) -> float | None:
    found = figures.get(name)
    return None if found is None else float(found) * scale


def _kinds(run: Run) -> Section:
    asked: dict[str, int] = run.burnish.get("by_kind", {})
    anew: dict[str, int] = run.burnish.get("restart_by_kind", {})
    rows: list[list[object]] = [[kind, asked.get(kind, 0), anew.get(kind, 0)] for kind in {**asked, **anew}]
    return f"Requests of {run.setting.name}", ["", "until quiet", "restart"], rows
