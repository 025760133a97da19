"""`python hack/bench serving`: Burnish's server beside KServe's, MLServer, LitServe and the model alone."""

import argparse
import os
import platform
import re
import signal
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from burnish_bench import tables
from burnish_bench.places import models_folder
from burnish_bench.serving import document, telling, throughput, workload
from burnish_bench.serving.bars import verdicts
from burnish_bench.serving.bench import Bench
from burnish_bench.serving.fleet import Processors, kept_on, prepare, running, split_processors
from burnish_bench.serving.modes import Mode
from burnish_bench.serving.results import Cell, Results, load, save
from burnish_bench.serving.tools import GOAL, NOTHING, OURS, Tool, tools
from burnish_optimizer.targets.fingerprint import fingerprint

NAME = "serving"
OWN = (OURS, GOAL)
LIBRARIES = ("onnxruntime", "tritonclient", "uvicorn", "uvloop", "grpcio")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `serving`."""
    parser.add_argument(
        "--tools", default="", metavar="REGEX", help="only servers whose name matches, and ours"
    )
    parser.add_argument("--modes", default="", metavar="REGEX", help=f"of {', '.join(Mode)}")
    parser.add_argument("--model", choices=list(workload.MODELS), default=next(iter(workload.MODELS)))
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="of measuring, for each figure of a server (6)"
    )
    parser.add_argument(
        "--concurrency", type=int, nargs="+", default=list(throughput.CONCURRENCIES), help="(1 8 64)"
    )
    parser.add_argument(
        "--server-cpus", type=int, default=max(1, (os.cpu_count() or 2) // 2), metavar="N", help="(half)"
    )
    parser.add_argument("--no-pin", action="store_true", help="let the system place servers and clients")
    parser.add_argument(
        "--goal-ms", type=float, default=20.0, help="latency goal of Burnish at overload (20)"
    )
    parser.add_argument("--tell", action="store_true", help="run nothing: tables of the last results")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks-serving.md")


def run(options: argparse.Namespace, console: Console) -> int:
    """All that match; returns 1 where ours gave a wrong answer, failed, or could not be asked."""
    signal.signal(signal.SIGTERM, _ended)
    path = options.output / f"{NAME}.json"
    if not options.tell:
        save(path, _measure(options, console))
    results = load(path)
    text = _tell(results, console)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    if options.write_docs:
        console.print(f"written: {document.write(results)}")
    console.print(f"all figures: {path}")
    return int(any(_is_broken(cells[n]) for cells in results.cells.values() for n in OWN if n in cells))


def _ended(number: int, _: object) -> NoReturn:
    """Leave as after an error, so that no process that was started stays behind."""
    sys.exit(128 + number)


def _measure(options: argparse.Namespace, console: Console) -> Results:
    folder: Path = options.output.resolve() / NAME
    work = workload.prepare(options.model, models_folder(), folder / options.model)
    ready, missing = prepare(wanted := _wanted(options))
    modes = [mode for mode in Mode if re.search(options.modes, mode)]
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    processors = split_processors([] if options.no_pin else cpus, options.server_cpus)
    bench = Bench(
        work,
        processors.clients,
        Results(_facts(options, work, wanted, processors)),
        options.seconds,
        options.concurrency,
        console.print,
    )
    bench.cannot(modes, missing)
    with (
        kept_on(processors.clients),
        running(ready, work, modes, folder / "logs", processors.servers) as servers,
    ):
        for mode in modes:
            bench.measure(mode, servers)
    return bench.results


def _wanted(options: argparse.Namespace) -> list[Tool]:
    return [
        tool
        for tool in tools(options.goal_ms)
        if tool.is_ours or tool.name == NOTHING or re.search(options.tools, tool.name)
    ]


def _facts(
    options: argparse.Namespace, work: workload.Workload, used: Sequence[Tool], processors: Processors
) -> dict[str, Any]:
    sizes = ", ".join(f"{mode} {work.request(mode).stat().st_size:,} bytes" for mode in Mode)
    libraries = {name: metadata.version(name) for name in LIBRARIES}
    peers = {tool.title: tool.version() for tool in used if tool.is_peer or tool.name == OURS}
    placed = f"{len(processors.servers)} processor(s), clients on {len(processors.clients)} other(s)"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": fingerprint(),
        "load": f"{os.getloadavg()[0]:.1f} when it began",
        "versions": {**peers, "python": platform.python_version(), **libraries},
        "titles": {tool.name: tool.title for tool in used},
        "model": options.model,
        "request": f"a request is {sizes}",
        "placement": placed if processors.servers else "processors that the system chose",
        "queue_goal_seconds": options.goal_ms / 1e3,
    }


def _tell(results: Results, console: Console) -> str:
    """Print the tables and the bars; the same as markdown."""
    text = []
    for title, columns, rows in telling.sections(results):
        tables.show(console, title, columns, rows)
        text.append(tables.markdown(title, columns, rows))
    said = [str(each) for each in verdicts(results, results.facts["queue_goal_seconds"])]
    for line in said:
        console.print(line, markup=False)
    return "\n".join([*text, *(f"- {line}" for line in said), ""])


def _is_broken(ours: Cell) -> bool:
    wrong = any(each.wrong or each.failed for each in ours.throughput)
    return bool(ours.failed or wrong or (ours.overload and (ours.overload.wrong or ours.overload.failed)))
