"""`kubectl burnish`: read an OptimizedModel with a person's eyes. Installed as `kubectl-burnish`."""

from typing import Any, NoReturn

import click
import yaml
from rich.markup import escape
from rich.table import Table

from burnish_cli.main import run
from burnish_cli.output import console
from burnish_engine import __version__
from burnish_engine.errors import BurnishError, NotFound, StalledError, TransientError
from burnish_engine.oci.reference import SCHEME
from burnish_engine.outcome import ExitCode

GROUP, VERSION, PLURAL = "burnish.dev", "v1alpha1", "optimizedmodels"


class ClusterRefusedError(StalledError):
    """The API server, or the kubeconfig, does not let us read."""


class ClusterUnavailableError(TransientError):
    """No API server answers."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kubectl burnish")
@click.option("--context", help="Context of the kubeconfig to use.")
@click.option("-n", "--namespace", help="Namespace (default: the context's).")
@click.pass_context
def cli(ctx: click.Context, context: str | None, namespace: str | None) -> None:
    """Look into OptimizedModels: where they stand, why, and what they save."""
    ctx.obj = (context, namespace)


NAME = click.argument("name")


@cli.command()
@NAME
@click.pass_obj
def status(scope: tuple[str | None, str | None], name: str) -> None:
    """Where NAME stands: one row a target."""
    model = _read(scope, name)
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
def explain(scope: tuple[str | None, str | None], name: str) -> None:
    """Why NAME is where it is: every condition with its reason, the failures, and why each engine won."""
    model = _read(scope, name)
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
def savings(scope: tuple[str | None, str | None], name: str) -> None:
    """What NAME saves: accelerators, and money where the class has a price."""
    model = _read(scope, name)
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
def report(scope: tuple[str | None, str | None], name: str) -> None:
    """Where NAME's engines and their reports lie."""
    for target in _read(scope, name).get("status", {}).get("targets", []):
        reference = _address(target)
        console().print(f"{target['name']}: {reference or 'no engine yet'}", markup=False)
        if reference:
            console().print(f"  burnish report {reference} --html {name}-{target['name']}.html", markup=False)


def _condition(model: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = model.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def _read(scope: tuple[str | None, str | None], name: str) -> dict[str, Any]:
    """One OptimizedModel as the API server has it.

    Raises: NotFound, ClusterRefusedError (the user must act), ClusterUnavailableError.
    """
    import kubernetes  # noqa: PLC0415 - only this command needs it, and it takes a second
    import urllib3  # noqa: PLC0415

    context, namespace = scope
    try:
        kubernetes.config.load_kube_config(context=context)
        contexts, active = kubernetes.config.list_kube_config_contexts()
        chosen = next((c for c in contexts if c["name"] == context), active)
        space = namespace or (chosen or {}).get("context", {}).get("namespace") or "default"
        api = kubernetes.client.CustomObjectsApi()
        model: Any = api.get_namespaced_custom_object(GROUP, VERSION, space, PLURAL, name)
    except (kubernetes.config.ConfigException, yaml.YAMLError) as error:
        raise ClusterRefusedError(
            "kubeconfig", found=str(error), expected="a readable kubeconfig", remedy="Set KUBECONFIG."
        ) from error
    except kubernetes.client.ApiException as error:
        subject = f"OptimizedModel {space}/{name}"
        if error.status == 404:
            raise NotFound(
                subject, found="no such object", expected="one", remedy="List them: kubectl get om -A"
            ) from error
        refused = 400 <= error.status < 500 and error.status != 429
        kind = ClusterRefusedError if refused else ClusterUnavailableError
        raise kind(subject, found=f"{error.status} {error.reason}", expected="access") from error
    except urllib3.exceptions.HTTPError as error:
        raise ClusterUnavailableError("API server", found=str(error), expected="an answer") from error
    return dict(model)


def main() -> NoReturn:
    """Entry point of `kubectl-burnish`."""
    run(cli, "kubectl burnish")
