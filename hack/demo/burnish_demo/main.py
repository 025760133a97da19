"""The command line of the demo: options in, the table out, every failure told with what to do."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from burnish_demo.drive import MODEL, Demo, Options, Result
from burnish_demo.errors import detail_of
from burnish_demo.place import MODEL_NAMESPACE, Place
from burnish_demo.steps import Steps
from burnish_demo.table import results
from burnish_engine.errors import BurnishError
from burnish_engine.outcome import ExitCode, exit_code

PLAIN_WIDTH = 120


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--context", help="Use the cluster of this context of your kubeconfig, not an embedded one.")
@click.option("--registry", default="", help="host/path that you may push to and that cluster pulls from.")
@click.option("--prometheus-url", help="Prometheus that scrapes that cluster, as this machine reaches it.")
@click.option("--fresh", is_flag=True, help="Forget the engines that are there: the Jobs run again.")
@click.option("--reports", type=click.Path(path_type=Path), default="burnish-demo", show_default=True)
def cli(context: str | None, registry: str, prometheus_url: str | None, fresh: bool, reports: Path) -> int:
    """One OptimizedModel, end to end, on a real Kubernetes, with a real model."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    options = Options(context, registry, prometheus_url, fresh, reports=reports)
    with Steps(console) as steps:
        try:
            result = Demo(options, steps, console).run()
        except BurnishError as error:
            return told(console, error)
    show(console, result, steps)
    return ExitCode.OK


def told(console: Console, error: BurnishError) -> int:
    """Print what failed, the evidence and what to do; returns the exit code."""
    if detail := detail_of(error):
        console.print(f"[dim]{escape(detail)}[/]", highlight=False, soft_wrap=True)
    console.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
    console.print("What is done is kept: run `make demo` again once the cause is mended.", highlight=False)
    return int(exit_code(error))


def show(console: Console, result: Result, steps: Steps) -> None:
    """The table, where the engines come from, where the time went, and what to do next."""
    console.print()
    console.print(results(MODEL, result.columns))
    for line in origin_lines(result):
        console.print(line, highlight=False, soft_wrap=True)
    console.print()
    console.print(steps.summary())
    console.print()
    for line in next_lines(result.place, result.pages):
        console.print(line, highlight=False, soft_wrap=True)


def origin_lines(result: Result) -> list[str]:
    """Which engines this run built, and which were there already."""
    lines = [f"{escape(name)}: built by this run's Job, key {key[:16]}" for name, key in result.built.items()]
    lines += [
        f"{escape(name)}: engine key {key[:16]} is already in the registry: not built again"
        for name, key in result.reused.items()
    ]
    return [*lines, "  `make demo FRESH=1` forgets these engines and builds anew"] if result.reused else lines


def next_lines(place: Place, pages: dict[str, Path]) -> list[str]:
    """Reports, Prometheus, and the commands that come next."""
    lines = [f"Report of {escape(name)}: {escape(os.fspath(path.resolve()))}" for name, path in pages.items()]
    if place.prometheus_url:
        lines.append(f"Prometheus: {place.prometheus_url}/graph?g0.expr=burnish_latency_seconds&g0.tab=1")
    kubectl = "kubectl" if place.embedded else " ".join(["kubectl", *place.kubectl[1:]])
    lines += ["", "Next:"]
    if place.embedded:
        lines.append(f"  export KUBECONFIG={place.kubeconfig} PATH={Path(place.kubectl[0]).parent}:$PATH")
    lines += [
        f"  {kubectl} get om,ac -n {MODEL_NAMESPACE}",
        f"  {kubectl} describe om {MODEL} -n {MODEL_NAMESPACE}",
        f"  {kubectl} explain om.spec",
        f"  sed 's#REGISTRY#{place.registry}#' examples/text-detector.yaml"
        f" | {kubectl} apply -n {MODEL_NAMESPACE} -f -",
    ]
    return [*lines, "  make demo-down"] if place.embedded else lines


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    try:
        code = cli.main(args=list(arguments), prog_name="hack/demo", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; what is done is kept", err=True)
        return 130
    return int(code)
