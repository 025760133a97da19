"""Who passes which gate, who is best, and whether the bars are met. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from burnish_bench.optimizing.results import Result
from burnish_bench.optimizing.tools import BASELINE, MAX_DROP, MIN_COSINE, PEERS, Tool

ROUNDING = 1e-9
Gate = Callable[[Result, str], bool]


@dataclass(frozen=True)
class Bar:
    """What is asked of one of our settings: the geometric mean of its speed-ups, under a gate."""

    tool: str
    title: str
    least: float
    passes: Gate


@dataclass(frozen=True)
class Verdict:
    """One model under one bar.   ours, low, high: our speed-up, None: no result or it fails the gate.
    peer, best: the fastest peer that passes the same gate, and its speed-up.
    holds: ours passes and is not slower than that peer, beyond the noise of both."""

    model: str
    ours: float | None
    peer: str
    best: float
    holds: bool


def within_drop(result: Result, tool: str) -> bool:
    """The task metric is at most 1 % below the reference's."""
    drop = result.drop(tool)
    return drop is not None and drop <= MAX_DROP + ROUNDING


def close_enough(result: Result, tool: str) -> bool:
    """The cosine of the output that agrees least is at least 0.999."""
    judged = result.judged.get(tool)
    return judged is not None and judged.cosine is not None and judged.cosine >= MIN_COSINE - ROUNDING


BARS = (
    Bar("burnish-task", "at most 1 % below the reference's task metric", 3.0, within_drop),
    Bar("burnish-cosine", "cosine of at least 0.999", 2.2, close_enough),
)


def best_peer(result: Result, passes: Gate, peers: Iterable[Tool] = PEERS) -> tuple[str, float]:
    """The fastest peer that passes the gate. The source in ONNX Runtime's defaults always does: 1."""
    found = [
        (speedup, tool.name)
        for tool in peers
        if tool.name != BASELINE and passes(result, tool.name) and (speedup := result.speedup(tool.name))
    ]
    speedup, name = max(found, default=(1.0, BASELINE))
    return (name, speedup) if speedup > 1 else (BASELINE, 1.0)


def verdict(result: Result, bar: Bar) -> Verdict:
    """Ours beside the best peer. Noise: where the intervals of the two overlap, neither is faster."""
    peer, best = best_peer(result, bar.passes)
    ours = result.speedup(bar.tool) if bar.passes(result, bar.tool) else None
    mine, theirs = result.measured.get(bar.tool), result.measured.get(peer)
    high = mine.high if mine and mine.high else 0.0
    low = theirs.low if theirs and theirs.low and peer != BASELINE else best
    return Verdict(result.model, ours, peer, best, ours is not None and (ours >= best or high >= low))


def geomean(values: Sequence[float]) -> float | None:
    """Geometric mean, None of nothing."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def lines(results: Sequence[Result], bar: Bar) -> list[str]:
    """The verdict in words: the mean, and every model where a peer is ahead or ours fails."""
    verdicts = [verdict(r, bar) for r in results if bar.tool in r.measured]
    if not verdicts:
        return [f"{bar.title}: ours was not run."]
    mean = geomean([v.ours if v.ours is not None else 1.0 for v in verdicts]) or 0.0
    peers = geomean([v.best for v in verdicts]) or 0.0
    word = "met" if mean >= bar.least else "missed"
    said = [
        f"{bar.title}: geometric mean {mean:.2f} × over {len(verdicts)} models (bar {bar.least} ×: {word}); "
        f"the best single recipe of the peers that passes, model by model: {peers:.2f} ×."
    ]
    for v in verdicts:
        if v.ours is None:
            said.append(f"{v.model}: ours has no result that passes: counted as 1 ×.")
        elif not v.holds:
            said.append(f"{v.model}: {v.ours:.2f} × is behind {v.peer} ({v.best:.2f} ×).")
    return said
