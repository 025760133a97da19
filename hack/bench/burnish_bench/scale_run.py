"""`python hack/bench scale`: the operator with many models, beside Deployments without any operator."""

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from burnish_bench import tables
from burnish_bench.scaling import document, measure, objects, pilot, plane, telling
from burnish_bench.scaling.api import Object
from burnish_bench.scaling.bars import verdicts
from burnish_bench.scaling.results import Results, Run, Setting, load, save
from burnish_engine import __version__
from burnish_optimizer.targets.fingerprint import fingerprint
from support.operator_process import OperatorProcess

NAME = "scale"
LIBRARIES = ("kopf", "kubernetes", "aiohttp", "urllib3")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `scale`."""
    parser.add_argument("--models", type=int, default=1000, help="OptimizedModels of the burst (1000)")
    parser.add_argument("--targets", type=int, default=1, help="of each model (1)")
    parser.add_argument("--classes", type=int, default=0, help="kinds of nodes (12, or 1 with one target)")
    parser.add_argument("--nodes", type=int, default=200, help="that kwok plays (200)")
    parser.add_argument("--no-baseline", action="store_true", help="leave out the Deployments alone")
    parser.add_argument("--tell", action="store_true", help="run nothing: tables of the last results")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write this run's figures as JSON")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks-operator.md")


def run(options: argparse.Namespace, console: Console) -> int:
    """One setting, kept beside those that were measured before; returns 1 where anything was refused."""
    # As after an error, so that nothing that was started stays behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    path = options.output / f"{NAME}.json"
    results = load(path) if path.exists() else Results({})
    if not options.tell:
        measured = _measure(_setting(options), console, baseline=not options.no_baseline)
        results.facts = _facts()
        results.put(measured)
        save(path, results)
        if options.report:
            save(options.report, Results(results.facts, [measured]))
    for section in telling.sections(results):
        tables.show(console, *section)
    for line in verdicts(results.runs):
        console.print(line, markup=False)
    if options.write_docs:
        console.print(f"written: {document.write(results)}")
    console.print(f"all figures: {path}")
    return int(any(each.burnish.get("refused") for each in results.runs))


def _setting(options: argparse.Namespace) -> Setting:
    classes = options.classes or (12 if options.targets > 1 else 1)
    return Setting(options.models, options.targets, classes, options.nodes)


def _measure(setting: Setting, console: Console, *, baseline: bool) -> Run:
    found = Run(setting)
    with tempfile.TemporaryDirectory(prefix="burnish-scale-") as scratch:
        console.print(f"{setting.name}: the operator")
        with plane.started(Path(scratch) / "ours", setting.nodes, setting.classes) as place:
            template = _burnish(place, found)
        if baseline:
            console.print(f"{setting.name}: Deployments alone")
            with plane.started(Path(scratch) / "alone", setting.nodes, setting.classes) as place:
                place.plane.kubectl("create", "namespace", objects.NAMESPACE)
                found.baseline = measure.baseline(place, setting, template)
    return found


def _burnish(place: plane.Place, found: Run) -> Object:
    place.plane.kubectl("create", "namespace", objects.NAMESPACE)
    log, repository = place.folder / "logs" / "operator.log", f"{place.plane.registry}/engines"
    with OperatorProcess(place.account, repository, log, "--workers", measure.WORKERS) as operator:
        names = pilot.classes(place, found.setting.classes)
        template = pilot.build(place, pilot.source(place), names)
        found.burnish = measure.burnish(place, found.setting, operator, names)
    return template


def _facts() -> dict[str, Any]:
    versions = {f"{name} (Python)": metadata.version(name) for name in LIBRARIES}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": fingerprint(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "versions": {
            "burnish": __version__,
            **plane.versions(),
            "python": platform.python_version(),
            **versions,
        },
    }
