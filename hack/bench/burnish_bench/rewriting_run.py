"""`python hack/bench rewrite`: real models and large ones, ours beside onnxslim and onnxsim."""

import argparse
import math
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from burnish_bench import large, tables, zoo
from burnish_bench.places import models_folder, prepare_peers
from burnish_bench.rewriting import OURS, RIVALS, Compared, compare
from support.onnx_suites import Case

MIB = 1 << 20
HEAVY, EMBEDDED, LONG = "5-gigabytes", "500-megabytes", "100000-nodes"
COST = (
    "model",
    "MiB",
    "tool",
    "seconds",
    "CPU s",
    "of it gates",
    "extra MiB",
    "private MiB",
    "nodes",
    "result",
)
LATENCY = ("model", "source ms", "rewritten ÷ source", "onnxslim ÷ source")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `rewrite`."""
    parser.add_argument("--models", default="", metavar="REGEX", help="only models whose name matches")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each tool (3)")
    parser.add_argument("--latency", type=float, default=8.0, metavar="SECONDS", help="a model; 0: none (8)")


def run(options: argparse.Namespace, console: Console) -> int:
    """All that match; returns 1 where ours failed on one."""
    prepare_peers()
    found: list[Compared] = []
    with console.status("") as status:
        for name, make, tools in _wanted(options.models):
            large_one = name in {HEAVY, EMBEDDED, LONG}
            with _scratch() as folder:
                status.update(f"{name}: making it")
                found.append(
                    compare(
                        make(folder / "case"),
                        folder,
                        rounds=1 if large_one else options.rounds,
                        latency_seconds=0.0 if large_one else options.latency,
                        tell=status.update,
                        tools=tools,
                    )
                )
            _tell_one(found[-1], console)
    text = _tell(found, console)
    tables.save(options.output, "rewrite", {"models": [asdict(each) for each in found]}, text)
    console.print(f"all figures: {options.output}/rewrite.json")
    return int(any(each.tools[OURS].failed for each in found))


def _wanted(pattern: str) -> Iterator[tuple[str, Callable[[Path], Case], Sequence[str]]]:
    """Name, how to make it, and who tries. Peers hold models whole: 5 GB would take the machine's memory."""
    for model in zoo.MODELS:
        if re.search(pattern, model.wheel.name):
            yield (
                model.wheel.name,
                partial(zoo.case, model, models_folder()),
                (OURS, *RIVALS),
            )
    if re.search(pattern, LONG):
        yield LONG, lambda folder: Case("large", LONG, large.long(folder).parent), (OURS, *RIVALS)
    if re.search(pattern, EMBEDDED):
        yield EMBEDDED, lambda folder: Case("large", EMBEDDED, large.embedded(folder).parent), (OURS, *RIVALS)
    if re.search(pattern, HEAVY):
        yield HEAVY, lambda folder: Case("large", HEAVY, large.heavy(folder).parent), (OURS,)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder on a disk (temporary folders may be memory), gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="burnish-bench-", dir="/var/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _tell_one(found: Compared, console: Console) -> None:
    parts = [
        f"{tool} {tried.seconds:.2f} s" if tried.seconds is not None else f"{tool} {tried.failed[:120]}"
        for tool, tried in found.tools.items()
    ]
    console.print(f"{found.model}: {', '.join(parts)}")


def _tell(found: Sequence[Compared], console: Console) -> str:
    """Print the tables; the same as markdown."""
    text = f"Measured {time.strftime('%Y-%m-%d')} by `make bench-rewrite`.\n\n"
    cost = [row for each in found for row in _cost_rows(each)]
    latency = [_latency_row(each) for each in found if each.latency]
    for title, columns, rows in (
        ("Rewriting: time and memory (medians; imports excluded; gates included)", COST, cost),
        ("Latency: ONNX Runtime defaults, 1 thread, batch 1 (below 1 is faster; 95 %)", LATENCY, latency),
    ):
        tables.show(console, title, columns, rows)
        text += tables.markdown(title, columns, rows) + "\n"
    line = _speed(found)
    console.print(line)
    return text + line + "\n"


def _cost_rows(found: Compared) -> Iterator[list[object]]:
    for tool, tried in found.tools.items():
        nodes = f"{found.nodes:,} → {tried.nodes:,}" if tried.nodes is not None else None
        memory = [_mib(tried.extra_bytes), _mib(tried.private_bytes)]
        result = " ".join(tried.failed.split())[:40] or (
            f"unproven: {tried.unproven[:30]}" if tried.unproven else tried.verdict
        )
        size = round(found.size_bytes / MIB, 1)
        yield [
            found.model,
            size,
            tool,
            _rounded(tried.seconds),
            _rounded(tried.cpu_seconds),
            tried.gate_seconds,
            *memory,
            nodes,
            result,
        ]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _mib(size: int | None) -> int | None:
    return None if size is None else size // MIB


def _latency_row(found: Compared) -> list[object]:
    if "failed" in found.latency:
        return [found.model, None, None, None]
    sides = [_ratio(found.latency.get(tool)) for tool in (OURS, "onnxslim")]
    return [found.model, found.latency["source"]["seconds"] * 1000, *sides]


def _ratio(side: dict[str, Any] | None) -> str | None:
    return f"{side['ratio']:.3f} [{side['low']:.3f}, {side['high']:.3f}]" if side else None


def _speed(found: Sequence[Compared]) -> str:
    """Our time over that of onnxslim and onnxsim together, on models that all three finished."""
    pairs = []
    for each in found:
        seconds = [each.tools[t].seconds for t in (OURS, *RIVALS) if t in each.tools]
        if len(seconds) == 1 + len(RIVALS) and all(s is not None for s in seconds):
            ours, *peers = [s for s in seconds if s is not None]
            pairs.append((ours, sum(peers)))
    if not pairs:
        return "No model was finished by all three."
    ours, peers = (sum(side) for side in zip(*pairs, strict=True))
    mean = math.exp(sum(math.log(a / b) for a, b in pairs) / len(pairs))
    return (
        f"{len(pairs)} models that all three finished: rewriting with gates {ours:.2f} s, onnxslim and "
        f"onnxsim together {peers:.2f} s: {ours / peers:.2f} (geometric mean of the models: {mean:.2f})."
    )
