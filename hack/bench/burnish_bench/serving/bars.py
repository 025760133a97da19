"""What Burnish promises beside its peers, judged from results."""

from collections.abc import Iterator
from dataclasses import dataclass

from burnish_bench.serving.modes import Mode
from burnish_bench.serving.results import Cell, Results
from burnish_bench.serving.tools import GOAL, NOTHING, OURS, RAW

OVERHEAD_SECONDS = {Mode.HTTP_BINARY: 0.3e-3, Mode.GRPC: 0.6e-3}
KSERVE_TIMES, OTHERS_TIMES, OVERLOAD_TIMES = 5.0, 2.0, 2.0


@dataclass(frozen=True)
class Verdict:
    """One bar: what was found, and whether it holds."""

    holds: bool
    text: str

    def __str__(self) -> str:
        return f"{'holds' if self.holds else 'MISSED'}: {self.text}"


def verdicts(results: Results, queue_goal_seconds: float) -> list[Verdict]:
    """Every bar that there are figures for."""
    found: list[Verdict] = []
    for mode, cells in results.cells.items():
        if OURS in cells:
            found += _overhead(mode, cells[OURS])
        if GOAL in cells:
            found += _overload(mode, cells[GOAL], queue_goal_seconds)
    return [*found, *_throughput(results)]


def _overhead(mode: str, ours: Cell) -> Iterator[Verdict]:
    allowed = OVERHEAD_SECONDS.get(Mode(mode))
    if ours.latency and allowed:
        over = ours.latency.over_p50
        text = f"{mode}: p50 over the model alone {over * 1e3:.2f} ms (at most {allowed * 1e3:.1f})"
        yield Verdict(over <= allowed, text)


def _overload(mode: str, ours: Cell, goal: float) -> Iterator[Verdict]:
    found = ours.overload
    if found is None or found.unloaded_p99 is None:
        return
    allowed = OVERLOAD_TIMES * found.unloaded_p99 + goal
    value = "no answer" if found.accepted_p99 is None else f"{found.accepted_p99 * 1e3:.1f} ms"
    text = f"{mode}: p99 of accepted at 2 × overload {value} (at most {allowed * 1e3:.1f} ms)"
    yield Verdict(found.accepted_p99 is not None and found.accepted_p99 <= allowed, text)


def _throughput(results: Results) -> Iterator[Verdict]:
    """Our HTTP against KServe's, each in its best mode; ours against the best of the others, by mode."""
    http = [cells for mode, cells in results.cells.items() if not Mode(mode).is_grpc]
    for concurrency in _concurrencies(results):
        ours = _best(http, OURS, concurrency)
        kserve = _best(http, "kserve", concurrency)
        if ours and kserve:
            yield _times(f"HTTP, {concurrency} clients", ours, kserve, "KServe's HTTP", KSERVE_TIMES)
        for mode, cells in results.cells.items():
            mine = _best([cells], OURS, concurrency)
            others = {
                name: _best([cells], name, concurrency)
                for name in cells
                if name not in {OURS, GOAL, RAW, NOTHING}
            }
            if mine and any(others.values()):
                name = max(others, key=lambda each: others[each])
                yield _times(f"{mode}, {concurrency} clients", mine, others[name], name, OTHERS_TIMES)


def _times(what: str, ours: float, other: float, name: str, least: float) -> Verdict:
    text = f"{what}: {ours:,.0f} a second, {ours / other:.1f} × {name} ({other:,.0f}; at least {least:.0f} ×)"
    return Verdict(ours >= least * other, text)


def _best(modes: list[dict[str, Cell]], tool: str, concurrency: int) -> float:
    return max(
        ((cells[tool].per_second(concurrency) or 0.0) for cells in modes if tool in cells), default=0.0
    )


def _concurrencies(results: Results) -> list[int]:
    every = (cell for cells in results.cells.values() for cell in cells.values())
    return sorted({each.concurrency for cell in every for each in cell.throughput})
