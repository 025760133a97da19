"""Burnish beside its peers: `python hack/bench correctness|rewrite|optimize|serving|soak|scale`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from burnish_bench import correctness_run, optimize_run, rewriting_run, scale_run, serving_run, soak_run
from burnish_bench.places import RESULTS

WIDTH = 150  # of tables that go to a file
COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "correctness": (correctness_run.add_options, "every tool on ONNX's own models: is the answer right?"),
    "rewrite": (rewriting_run.add_options, "real and large models: time, memory and latency"),
    "optimize": (
        optimize_run.add_options,
        "real models with real labels: speed and answers of every optimizer",
    ),
    "serving": (serving_run.add_options, "Burnish's server beside others: latency, throughput, overload"),
    "soak": (soak_run.add_options, "one server under mixed load: memory, errors, answers"),
    "scale": (scale_run.add_options, "the operator with many models on a real control plane"),
}


def parser() -> argparse.ArgumentParser:
    """The commands."""
    top = argparse.ArgumentParser(prog="hack/bench", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (add_options, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument(
            "--output", type=Path, default=RESULTS, help="folder of the results (dist/bench)"
        )
        add_options(command)
    return top


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    options = parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    match options.command:
        case "correctness":
            return correctness_run.run(options, console)
        case "optimize":
            return optimize_run.run(options, console)
        case "serving":
            return serving_run.run(options, console)
        case "soak":
            return soak_run.run(options, console)
        case "scale":
            return scale_run.run(options, console)
        case _:
            return rewriting_run.run(options, console)
