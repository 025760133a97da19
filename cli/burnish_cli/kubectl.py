"""`kubectl burnish`: an OptimizedModel as a person sees and steers it. Installed as `kubectl-burnish`."""

from datetime import UTC, datetime
from typing import Any, NoReturn

import click
from rich.markup import escape
from rich.table import Table

from burnish_cli.cluster import Scope, patch, read
from burnish_cli.main import run
from burnish_cli.output import console
from burnish_engine import __version__
from burnish_engine.errors import BurnishError
from burnish_engine.oci.reference import SCHEME
from burnish_engine.outcome import ExitCode


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kubectl burnish")
@click.option("--context", help="Context of the kubeconfig to use.")
@click.option("-n", "--namespace", help="Namespace (default: the context's).")
@click.pass_context
def cli(ctx: click.Context, context: str | None, namespace: str | None) -> None:
    """Look into OptimizedModels, and steer their canaries."""
    ctx.obj = (context, namespace)


NAME = click.argument("name")


@cli.command()
@NAME
@click.pass_obj
def status(scope: Scope, name: str) -> None:
    """Where NAME stands: one row a target."""
    model = read(scope, name)
    table = Table(header_style="bold")
    for column in ("target", "state", "backend", "precision", "speed-up", "ready", "note"):
        table.add_column(column)
    for target in model.get("status", {}).get("targets", []):
        table.add_row(*map(escape, _target_row(target)))
    console().print(table)
    ready = _condition(model, "Ready")
    console().print(
        f"Ready={ready.get('status', 'Unknown')} {ready.get('reason', '')}: {ready.get('message', '')}",
        markup=False,
    )
    if ready.get("status") != "True":
        click.get_current_context().exit(ExitCode.FAILED)


def _target_row(target: dict[str, Any]) -> list[str]:
    engine, rollout = target.get("engine", {}), target.get("rollout", {})
    note = target.get("lastFailure", {}).get("message") or target.get("progress") or ""
    return [
        target["name"],
        target.get("state", ""),
        engine.get("backend", "–"),
        engine.get("precision", "–"),
        str(target.get("speedup", "–")),
        f"{rollout.get('readyReplicas', 0)}/{rollout.get('replicas', 0)}",
        note,
    ]


@cli.command()
@NAME
@click.pass_obj
def explain(scope: Scope, name: str) -> None:
    """Why NAME is where it is: every condition with its reason, the failures, and why each engine won."""
    model = read(scope, name)
    for condition in model.get("status", {}).get("conditions", []):
        console().print(f"[bold]{condition['type']}[/]={condition['status']} ({condition.get('reason', '')})")
        console().print(f"  {condition.get('message', '')}", markup=False)
    for target in model.get("status", {}).get("targets", []):
        failure = target.get("lastFailure")
        if failure:
            console().print(f"[bold]{target['name']}[/] failed: {failure.get('reason')}")
            console().print(f"  {failure.get('message')}", markup=False)
    for target in model.get("status", {}).get("targets", []):
        reference = _address(target)
        if reference:
            console().print(f"\n[bold]{escape(target['name'])}[/]: {escape(reference)}")
            _explain_engine(reference)


def _address(target: dict[str, Any]) -> str:
    """Where the engine lies, as `burnish` takes it; empty while there is none."""
    reference = target.get("engine", {}).get("reference")
    return f"{SCHEME}{str(reference).removeprefix(SCHEME)}" if reference else ""


def _explain_engine(reference: str) -> None:
    """What its report tells. A registry that cannot be reached from here is no failure of the model."""
    from burnish_cli.engines import report_of  # noqa: PLC0415 - most commands read no report
    from burnish_optimizer.report.explain import explain as explained  # noqa: PLC0415
    from burnish_optimizer.report.explain_console import render_explanation  # noqa: PLC0415

    try:
        console().print(render_explanation(explained(report_of(reference))))
    except BurnishError as error:
        console().print(f"  its report cannot be read from here: {error}", markup=False)


@cli.command()
@NAME
@click.pass_obj
def savings(scope: Scope, name: str) -> None:
    """What NAME saves: accelerators, and money where the class has a price."""
    model = read(scope, name)
    table = Table(header_style="bold")
    for column in ("target", "accelerators before", "after", "per hour"):
        table.add_column(column, justify="left" if column == "target" else "right")
    for target in model.get("status", {}).get("targets", []):
        saved = target.get("savings", {})
        money = f"{saved['perHour']} {saved.get('currency', '')}" if "perHour" in saved else "no price set"
        table.add_row(
            target["name"],
            str(saved.get("acceleratorsBefore", "–")),
            str(saved.get("acceleratorsAfter", "–")),
            money,
        )
    console().print(table)


@cli.command()
@NAME
@click.pass_obj
def report(scope: Scope, name: str) -> None:
    """Where NAME's engines and their reports lie."""
    for target in read(scope, name).get("status", {}).get("targets", []):
        reference = _address(target)
        console().print(f"{target['name']}: {reference or 'no engine yet'}", markup=False)
        if reference:
            console().print(f"  burnish report {reference} --html {name}-{target['name']}.html", markup=False)


@cli.command()
@NAME
@click.pass_obj
def promote(scope: Scope, name: str) -> None:
    """Roll out NAME's canaries now, or engines that were rejected, without any further step."""
    _annotate(scope, name, "promote")


@cli.command()
@NAME
@click.pass_obj
def abort(scope: Scope, name: str) -> None:
    """Take NAME's canaries away; what served before goes on serving, and they are not tried again."""
    _annotate(scope, name, "abort")


@cli.command()
@NAME
@click.pass_obj
def retry(scope: Scope, name: str) -> None:
    """Try again what failed or was rejected before now: a build, or a canary from its first step."""
    _annotate(scope, name, "retry")


@cli.command()
@NAME
@click.pass_obj
def pause(scope: Scope, name: str) -> None:
    """Keep NAME's canaries at their step (spec.rollout.paused: true); they still go if they fail."""
    _pause(scope, name, paused=True)


@cli.command()
@NAME
@click.pass_obj
def resume(scope: Scope, name: str) -> None:
    """Let NAME's canaries go on (spec.rollout.paused: false)."""
    _pause(scope, name, paused=False)


def _annotate(scope: Scope, name: str, verb: str) -> None:
    """The operator compares the time with that at which a canary began, or failed."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    patch(scope, name, {"metadata": {"annotations": {f"burnish.dev/{verb}": now}}})
    console().print(f"{name}: burnish.dev/{verb}={now}", markup=False)


def _pause(scope: Scope, name: str, *, paused: bool) -> None:
    patch(scope, name, {"spec": {"rollout": {"paused": paused}}})
    console().print(f"{name}: spec.rollout.paused={str(paused).lower()}", markup=False)


def _condition(model: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = model.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def main() -> NoReturn:
    """Entry point of `kubectl-burnish`."""
    run(cli, "kubectl burnish")
