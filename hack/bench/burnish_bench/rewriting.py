"""Real models: how long rewriting takes, what memory it takes, and what the result's latency is."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from burnish_bench.pool import Worker
from support.onnx_suites import Case

OURS = "burnish-onnxruntime-cpu"
RIVALS = ("onnxslim", "onnxsim")
SECONDS = 600.0
Tell = Callable[[str], None]


@dataclass
class Tried:
    """One tool on one model.

    seconds, cpu_seconds: median over the rounds, without imports, on the wall and of processors (which a busy
        machine does not stretch).   gate_seconds: the part of `seconds` that went into proof.
    extra_bytes: peak of resident memory above that after imports.   private_bytes: the part of it that is
        no mapped file, sampled.   nodes: after, but constants.   verdict: the judge's, of the last result.
    failed: why there is no result, or none that holds.
    """

    seconds: float | None = None
    cpu_seconds: float | None = None
    extra_bytes: int | None = None
    private_bytes: int | None = None
    gate_seconds: float | None = None
    nodes: int | None = None
    verdict: str = ""
    failed: str = ""
    rolled_back: list[str] = field(default_factory=list)
    unproven: str = ""


@dataclass
class Compared:
    """One model: `latency` by tool ("source" is the source), each with its ratio to the source."""

    model: str
    size_bytes: int
    nodes: int = 0
    tools: dict[str, Tried] = field(default_factory=dict)
    latency: dict[str, Any] = field(default_factory=dict)


def compare(
    case: Case, folder: Path, *, rounds: int, latency_seconds: float, tell: Tell, tools: Sequence[str]
) -> Compared:
    """All tools in turns, each run in a fresh process; then the latencies of what they made, in turns."""
    found = Compared(case.name, case.model.stat().st_size)
    outputs = {tool: folder / tool / "model.onnx" for tool in tools}
    answers: dict[str, list[dict[str, Any]]] = {tool: [] for tool in tools}
    for number in range(rounds):
        for tool in tools if number % 2 == 0 else reversed(tools):
            tell(f"{case.name}: {tool}, round {number + 1} of {rounds}")
            answers[tool].append(attempt(tool, case, outputs[tool], folder))
    tell(f"{case.name}: judging")
    for tool in tools:
        found.tools[tool] = _summed(answers[tool])
        _judge(found, tool, case, outputs[tool], folder)
    if latency_seconds:
        tell(f"{case.name}: latency")
        found.latency = _latency(case, found, outputs, folder, latency_seconds)
    return found


def attempt(tool: str, case: Case, output: Path, folder: Path, seconds: float = SECONDS) -> dict[str, Any]:
    """One run in a fresh process."""
    shutil.rmtree(output.parent, ignore_errors=True)
    output.parent.mkdir(parents=True)
    with Worker(tool, folder) as worker:
        return worker.ask({"source": str(case.model), "output": str(output)}, seconds)


def _summed(answers: Sequence[dict[str, Any]]) -> Tried:
    for one in answers:
        if failed := one.get("crash") or one.get("timeout") or one.get("error"):
            return Tried(failed=str(failed))
    return Tried(
        seconds=median(one["seconds"] for one in answers),
        cpu_seconds=median(one["cpu_seconds"] for one in answers),
        extra_bytes=int(median(one["extra_bytes"] for one in answers)),
        private_bytes=int(median(one["private_bytes"] for one in answers)),
        gate_seconds=median(one["gate_seconds"] for one in answers) if "gate_seconds" in answers[0] else None,
        rolled_back=answers[-1].get("rolled_back", []),
        unproven=answers[-1].get("unproven", ""),
    )


def _judge(found: Compared, tool: str, case: Case, output: Path, folder: Path) -> None:
    tried = found.tools[tool]
    if tried.failed:
        return
    request = {"source": str(case.model), "output": str(output), "folder": str(case.folder)}
    with Worker("judge", folder) as judge:
        verdict = judge.ask(request, SECONDS)
    tried.verdict = verdict.get("verdict") or "invalid"
    tried.failed = "" if tried.verdict == "ok" else f"{tried.verdict}: {verdict.get('detail', verdict)}"
    if nodes := verdict.get("after"):
        tried.nodes = nodes["work"]
    if nodes := verdict.get("before"):
        found.nodes = nodes["work"]


def _latency(
    case: Case, found: Compared, outputs: dict[str, Path], folder: Path, seconds: float
) -> dict[str, Any]:
    models = {"source": str(case.model)}
    models |= {tool: str(path) for tool, path in outputs.items() if found.tools[tool].verdict == "ok"}
    request = {"models": models, "folder": str(case.folder), "seconds": seconds}
    with Worker("latency", folder) as worker:
        answer = worker.ask(request, SECONDS)
    return answer.get("latency") or {"failed": str(answer)}
