"""`python hack/bench correctness`: every tool on ONNX's own models."""

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from burnish_bench import correctness, tables
from burnish_bench.correctness import VERDICTS, Outcome
from burnish_bench.places import OURS, PEERS, prepare_peers, suites_folder
from support.onnx_suites import SUITES, Case, cases

TOOLS = (*PEERS, *OURS)
HOLDS = frozenset({"ok", "unjudged"})
STEP = 200  # cases between two lines of progress where there is no terminal


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `correctness`."""
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=SUITES)
    parser.add_argument("--cases", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=TOOLS)


def run(options: argparse.Namespace, console: Console) -> int:
    """All that match; returns 1 where one of ours failed."""
    if set(options.tools) & set(PEERS):
        prepare_peers()
    chosen = [c for c in cases(suites_folder(), tuple(options.suites)) if re.search(options.cases, c.name)]
    outcomes = _run_all(options.tools, chosen, console)
    text = _tell(outcomes, options.tools, console)
    tables.save(options.output, "correctness", {"outcomes": correctness.as_records(outcomes)}, text)
    console.print(f"all outcomes: {options.output}/correctness.json")
    return int(any(o.tool in OURS and o.verdict not in HOLDS for o in outcomes))


def _run_all(tools: Sequence[str], chosen: Sequence[Case], console: Console) -> list[Outcome]:
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    outcomes: list[Outcome] = []
    scratch = Path(tempfile.mkdtemp(prefix="burnish-bench-"))
    try:
        with Progress(*columns, console=console) as progress:
            for tool in tools:
                task = progress.add_task(tool, total=len(chosen))
                outcomes += correctness.run(tool, chosen, scratch, partial(_advance, progress, task))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return outcomes


COLUMNS = ("tool", "cases", *VERDICTS[:-1], "nodes", "without constants", "seconds")


def _advance(progress: Progress, task: TaskID, outcome: Outcome) -> None:
    """One case on; what one of ours fails at is told at once."""
    progress.advance(task)
    if outcome.tool in OURS and outcome.verdict not in HOLDS:
        progress.console.print(f"{outcome.tool}: {outcome.case}: {outcome.verdict}: {outcome.detail[:300]}")
    done = int(progress.tasks[task].completed)
    if not progress.console.is_terminal and done % STEP == 0:
        progress.console.print(f"{outcome.tool}: {done} cases done")


def _tell(outcomes: Sequence[Outcome], tools: Sequence[str], console: Console) -> str:
    """A table for each suite, of the cases that ONNX Runtime can run, and one of those that it cannot."""
    text = f"Measured {time.strftime('%Y-%m-%d')} by `make bench-correctness`.\n\n"
    runnable = _runnable(outcomes)
    groups = {suite: [o for o in outcomes if o.suite == suite and o.case in runnable] for suite in SUITES}
    groups["all that ONNX Runtime runs unoptimized"] = [o for o in outcomes if o.case in runnable]
    groups["those that it does not run"] = [o for o in outcomes if o.case not in runnable]
    for title, group in groups.items():
        if group:
            rows = [_row(tool, correctness.summary(o for o in group if o.tool == tool)) for tool in tools]
            tables.show(console, title, COLUMNS, rows)
            text += tables.markdown(title, COLUMNS, rows) + "\n"
    return text


def _runnable(outcomes: Sequence[Outcome]) -> set[str]:
    """Cases that the judge could run, whatever the tool did to them."""
    return {o.case for o in outcomes if o.runnable}


def _row(tool: str, found: dict[str, Any]) -> list[object]:
    nodes = [f"{found[f'{kind}_before']:,} → {found[f'{kind}_after']:,}" for kind in ("nodes", "work")]
    return [tool, found["cases"], *(found[v] for v in VERDICTS[:-1]), *nodes, round(found["seconds"], 1)]
