"""`python hack/bench optimize --search MODEL`: the search beside trying everything."""

import argparse

from rich.console import Console

from burnish_bench import tables
from burnish_bench.optimizing.datasets import prepare
from burnish_bench.optimizing.exhaustive import SEARCH, Share, Tried, compare
from burnish_bench.optimizing.machine import facts
from burnish_bench.tasks.catalogue import task_named
from burnish_runtime import cpu

BARS_SECONDS, BARS_SHARE = 300.0, 0.95
COLUMNS = ["run", "selected", "speed-up", "seconds", "candidates", "failed"]


def run(options: argparse.Namespace, console: Console) -> int:
    """One model; returns 0 where the search kept both bars."""
    task = task_named(options.search)
    threads = 1 if options.threads == "1" else cpu.default_threads()
    folder = options.output.resolve() / "search" / task.name
    for done in compare(task, prepare(task), folder, threads=threads, seconds=options.seconds):
        if isinstance(done, Tried):
            console.print(f"{done.name}: {done.selected}, {done.speedup:.2f} ×, {done.seconds:.0f} s")
        else:
            share = done
    told = {**facts(), "threads": threads, **share.facts()}
    rows = [_row(tried) for tried in (share.search, *share.every)]
    title = f"{task.name}: the search, then each recipe in a run of its own; {threads} threads"
    tables.show(console, title, COLUMNS, rows)
    said = _sentence(share)
    console.print(said)
    tables.save(
        options.output, f"search-{task.name}", told, tables.markdown(title, COLUMNS, rows) + said + "\n"
    )
    return int(share.share < BARS_SHARE or share.search.seconds > BARS_SECONDS)


def _row(tried: Tried) -> list[object]:
    return [tried.name, tried.selected, tried.speedup, round(tried.seconds), tried.tried, tried.failed[:60]]


def _sentence(share: Share) -> str:
    total = sum(tried.seconds for tried in share.every)
    return (
        f"{SEARCH}: {share.recipes} recipes in {share.search.seconds:.0f} s (bar {BARS_SECONDS:.0f} s), "
        f"everything {total:.0f} s. Measured again in turns: {share.found.speedup or 0:.2f} × beside "
        f"{share.exhaustive.speedup or 0:.2f} × ({share.best.name}): {share.share:.0%} of the best "
        f"(bar {BARS_SHARE:.0%})."
    )
