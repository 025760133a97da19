"""`python hack/bench optimize`: optimizers beside each other on real models, with real labels."""

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from burnish_bench import search_run, tables
from burnish_bench.optimizing import cells, document, telling
from burnish_bench.optimizing.datasets import prepare
from burnish_bench.optimizing.judging import judge, reference
from burnish_bench.optimizing.machine import facts
from burnish_bench.optimizing.results import Result, load, save
from burnish_bench.optimizing.rounds import measure
from burnish_bench.optimizing.sides import SideFailed
from burnish_bench.optimizing.tools import BASELINE, TOOLS, Tool
from burnish_bench.places import prepare_peers
from burnish_bench.tasks.base import Task
from burnish_bench.tasks.catalogue import HELD_OUT, TASKS
from burnish_runtime import cpu

NAME, HELD_OUT_NAME = "optimize", "optimize-held-out"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `optimize`."""
    parser.add_argument("--models", default="", metavar="REGEX", help="only models whose name matches")
    parser.add_argument("--tools", default="", metavar="REGEX", help="only tools whose name matches")
    parser.add_argument("--held-out", action="store_true", help="models that no choice of ours was made on")
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="of measuring, for each tool of a model (6)"
    )
    parser.add_argument("--threads", choices=["1", "all", "both"], default="both", help="(both)")
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds that one build may take (1200)")
    parser.add_argument("--search", default="", metavar="MODEL", help="the search beside trying everything")
    parser.add_argument("--tell", action="store_true", help="run nothing: tables of the last results")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md of all results")


def run(options: argparse.Namespace, console: Console) -> int:
    """All that match; returns 0 where every bar was met that was tried."""
    signal.signal(signal.SIGTERM, _ended)
    if options.search:
        return search_run.run(options, console)
    path = options.output / f"{HELD_OUT_NAME if options.held_out else NAME}.json"
    if not options.tell:
        prepare_peers()
        for task in (t for t in _tasks(options) if re.search(options.models, t.name)):
            for threads in _threads(options.threads):
                result = _one(task, threads, options, console)
                results = _merged(path, result)
                save(path, results, facts())
                _tell(console, [result])
    results, told = load(path)
    if options.write_docs:
        console.print(f"written: {document.write(results, told)}")
    text = "\n".join(_tell(console, same) for same in _by_threads(results))
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    console.print(f"all figures: {path}")
    return 0


def _ended(number: int, _: object) -> NoReturn:
    """Leave as after an error, so that no process that was started stays behind."""
    sys.exit(128 + number)


def _tasks(options: argparse.Namespace) -> Sequence[Task]:
    return HELD_OUT if options.held_out else TASKS


def _threads(choice: str) -> list[int | None]:
    every: dict[str, list[int | None]] = {"1": [1], "all": [None], "both": [1, None]}
    return every[choice]


def _one(task: Task, threads: int | None, options: argparse.Namespace, console: Console) -> Result:
    """Build, judge and measure one model; a tool that breaks costs its own cell alone."""
    count = threads or cpu.default_threads()
    folder: Path = options.output.resolve() / NAME / task.name
    result = Result(task.name, threads, task.metric, 0, 0.0)
    try:
        data = prepare(task)
        right = reference(task, data, folder / "reference", cpu.default_threads())
    except SideFailed as error:
        result.failed = str(error)
        return result
    result.samples, result.reference, result.reference_more = (
        len(right.predictions),
        right.metric,
        dict(right.more),
    )
    for tool in _wanted(options.tools):
        place = folder / (f"{tool.name}-{threads or 'all'}" if tool.is_ours else tool.name)
        with console.status(f"{task.name}, {threads or 'all'} threads: {tool.title}"):
            built = cells.build(task, data, tool, place, threads=count, limit_seconds=options.limit)
            result.built[tool.name] = built
            result.judged[tool.name] = judge(task, data, built, right, place, threads=cpu.default_threads())
    with console.status(f"{task.name}, {threads or 'all'} threads: measuring"):
        sound = {name: b for name, b in result.built.items() if not result.judged[name].failed}
        result.measured = measure(task, data, sound, folder, threads=count, seconds=options.seconds)
    return result


def _wanted(pattern: str) -> Sequence[Tool]:
    """The baseline is in every run: what others are measured against."""
    return [tool for tool in TOOLS if tool.name == BASELINE or re.search(pattern, tool.name)]


def _merged(path: Path, result: Result) -> list[Result]:
    """The results of earlier runs with this one in its place."""
    try:
        kept, _ = load(path)
    except (OSError, ValueError, TypeError, KeyError):
        kept = []
    others = [r for r in kept if (r.model, r.threads) != (result.model, result.threads)]
    order = [task.name for task in (*TASKS, *HELD_OUT)]
    return sorted([*others, result], key=lambda r: (order.index(r.model), r.threads is None))


def _by_threads(results: Sequence[Result]) -> list[list[Result]]:
    groups = ([r for r in results if r.threads == threads] for threads in (1, None))
    return [group for group in groups if group]


def _tell(console: Console, results: Sequence[Result]) -> str:
    """Print the tables of one number of threads; the same as markdown."""
    threads = "one thread" if results[0].threads else "all threads"
    text = []
    for title, columns, rows in telling.sections(results, telling.shown(results)):
        tables.show(console, f"{title}; {threads}", columns, rows)
        text.append(tables.markdown(f"{title}; {threads}", columns, rows))
    said = telling.verdict_lines(results) if len(results) > 1 else []
    for line in said:
        console.print(line, markup=False)
    return "\n".join([*text, *(f"- {line}" for line in said), ""])
