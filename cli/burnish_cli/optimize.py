"""`burnish optimize`: one source, one target, one engine; on a laptop or in a Job."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import click
from pydantic import ValidationError

from burnish_cli.output import OUTPUT_OPTION, console, emit
from burnish_cli.parse import Bytes, Choices, Duration, Facts, Latency, MetricName
from burnish_cli.scratch import THREADS_OPTION, progress, resumable
from burnish_cli.sign import SIGN_OPTION, read_key
from burnish_engine import outcome, signature, store
from burnish_engine.faults import diagnosed
from burnish_engine.keys import PrivateKey
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_engine.request import Backend, LatencyGoal, Minimize, OptimizationRequest, Precision
from burnish_optimizer.job import Input, OptimizeJob, OptimizeResult
from burnish_optimizer.report.console import render_report

_DATA = "PATH|URI"
# Options that change nothing of what is made.
WHERE = ("work_dir", "folder", "push")
_OBJECTIVES = {minimize.value.lower(): minimize for minimize in Minimize}


@dataclass(frozen=True)
class Destination:
    """Where the engine goes: a folder, a registry, or both; `key` signs what is pushed."""

    folder: Path | None
    push: Reference | None
    key: PrivateKey | None


@click.command()
@click.argument("model")
@click.option("--calibration", metavar=_DATA, help="Inputs that quantization takes its ranges from.")
@click.option("--evaluation", metavar=_DATA, help="Labelled samples, or inputs, that answers are judged on.")
@click.option(
    "--metric",
    type=MetricName(),
    help="How answers are judged (docs/accuracy.md). [default: agreement]",
)
@click.option(
    "--max-drop", type=float, help="How far the metric may get worse than the source's. [default: 0.01]"
)
@click.option("--minimum", type=float, help="Floor of the metric, in place of --max-drop (sqnr: in dB).")
@click.option("--objective", type=click.Choice(list(_OBJECTIVES)), default="latency", show_default=True)
@click.option("--latency", type=Latency(), help="A goal that the winner must keep, such as p99=20ms.")
@click.option("--max-memory", type=Bytes(), help="Memory that the winner may take at most, such as 512MiB.")
@click.option(
    "--batch", type=click.IntRange(1, 4096), default=1, show_default=True, help="Samples a request."
)
@click.option("--precisions", type=Choices(Precision), help="Allowed. [default: FP32,BF16,INT8]")
@click.option("--backends", type=Choices(Backend), help="Allowed. [default: all that the target has]")
@click.option("--allow-fallback", is_flag=True, help="Let nodes run elsewhere than asked; they are counted.")
@click.option(
    "--allow-unmeasured",
    is_flag=True,
    help="Let an engine for hardware that is not here be chosen, where nothing measured wins.",
)
@click.option("--calibration-samples", type=click.IntRange(1), help="Use at most so many.")
@click.option("--budget", type=Duration(), help="Stop trying recipes after this time, such as 10m.")
@THREADS_OPTION
@click.option("--pin", is_flag=True, help="Measure on fixed processors: on a machine that nobody else uses.")
@click.option("--name", help="Name of the engine. [default: the model's]")
@click.option("--push", metavar="OCI", help="Publish the engine at oci://host/repository:tag.")
@SIGN_OPTION
@click.option("-o", "folder", type=click.Path(path_type=Path), help="Write the engine to this new folder.")
@click.option("--key", help="Engine key, if the caller has computed it.")
@click.option("--target-name", help="Accelerator class that this is for.")
@click.option("--target-facts", type=Facts(), help="Facts of that class. [default: this machine's]")
@click.option("--source-digest", help="Refuse a source of another digest.")
@click.option("--calibration-digest", help="Refuse calibration data of another digest.")
@click.option("--evaluation-digest", help="Refuse evaluation data of another digest.")
@click.option("--outcome", "outcome_file", type=click.Path(path_type=Path), help="Write the result as JSON.")
@click.option(
    "--work-dir",
    type=click.Path(path_type=Path),
    help="Scratch space. The same command goes on there where it was cut short. [default: a temporary one]",
)
@OUTPUT_OPTION
def optimize(model: str, outcome_file: Path | None, output: str, **options: object) -> None:
    """Make the fastest engine of MODEL (a path, https://… or oci://…) that keeps its answers.

    Every recipe runs in a process of its own, is judged against the untouched model, and is measured
    beside it. Where nothing is faster, the original is the engine.

    Calibration and evaluation sets are a folder of .npz files (one sample each, arrays by input name),
    one stacked .npz, one .parquet, a folder of .npy files (one sample each; several inputs: a sub-folder
    each), or a folder of pictures with a preprocess.yaml (size, resize, color, scale, mean, std, layout).
    Without a calibration set, recipes that need one are not tried.
    """
    key = str(options["key"] or "")
    try:
        result, digest = _run(model, options)
    except Exception as error:
        _write(outcome_file, _failure(error, key))
        raise
    _write(outcome_file, outcome.of_report(result.report, digest or "", result.message))
    _show(result, output, options)


def _failure(error: Exception, key: str) -> outcome.Outcome:
    known = diagnosed(error)
    if known is not None:
        return outcome.of_error(known, key)
    message = f"{type(error).__name__}: {error}"
    return outcome.Outcome(succeeded=False, key=key, reason="Defect", message=message)


def _write(path: Path | None, said: outcome.Outcome) -> None:
    if path is not None:
        path.write_bytes(said.to_termination_message())


def _run(model: str, options: dict[str, object]) -> tuple[OptimizeResult, str | None]:
    from burnish_optimizer.optimize import optimize as run  # noqa: PLC0415 - it takes a second to import

    destination = _destination(options)
    request = _request(options)
    same = {name: value for name, value in options.items() if name not in WHERE}
    with resumable(options["work_dir"], [model, same]) as work_dir, progress() as told:
        folder = destination.folder or work_dir / "engine"
        result = run(_job(model, options, request, work_dir, folder), told)
        if destination.push is None:
            return result, None
        told.update("publish", f"pushing to {destination.push}", 1, 1)
        with RegistryClient.from_environment() as client:
            pushed = store.push_engine(client, destination.push, result.folder).digest
            if destination.key:
                signature.sign(client, destination.push.at(pushed), destination.key)
            return result, pushed


def _destination(options: dict[str, object]) -> Destination:
    folder, push, key = options["folder"], options["push"], options["sign_key"]
    if folder is None and push is None:
        raise click.UsageError("found neither -o nor --push, expected where the engine shall go")
    if key is not None and push is None:
        raise click.UsageError("--sign: found no --push, expected one: signatures lie in the registry")
    if isinstance(folder, Path) and folder.exists():
        raise click.UsageError(f"-o {folder}: found something there, expected a path that does not exist")
    return Destination(
        folder=folder if isinstance(folder, Path) else None,
        push=Reference.parse(push) if isinstance(push, str) else None,
        key=read_key(key) if isinstance(key, Path) else None,
    )


def _request(options: dict[str, object]) -> OptimizationRequest:
    if options["max_drop"] is not None and options["minimum"] is not None:
        raise click.UsageError("found --max-drop and --minimum, expected one of them")
    names = (
        "max_drop",
        "minimum",
        "batch",
        "precisions",
        "backends",
        "allow_fallback",
        "allow_unmeasured",
        "calibration_samples",
        "threads",
    )
    given: dict[str, object] = {name: options[name] for name in names if options[name] is not None}
    if isinstance(options["metric"], tuple):
        given |= dict(zip(("metric", "metric_entry"), options["metric"], strict=True))
    goal = options["latency"]
    given |= {"latency": goal} if isinstance(goal, LatencyGoal) else {}
    given |= {"max_memory_bytes": options["max_memory"]} if options["max_memory"] is not None else {}
    given |= {"budget_seconds": options["budget"]} if options["budget"] is not None else {}
    try:
        return OptimizationRequest.model_validate(
            given | {"minimize": _OBJECTIVES[str(options["objective"])]}
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        if not wrong["loc"]:  # options that do not go together
            raise click.UsageError(str(wrong["ctx"]["error"])) from error
        flag = "--" + "-".join(str(part).replace("_", "-") for part in wrong["loc"]).removesuffix("-seconds")
        raise click.UsageError(f"{flag}: found {wrong['input']!r}: {wrong['msg']}") from error


def _job(
    model: str, options: dict[str, object], request: OptimizationRequest, scratch: Path, folder: Path
) -> OptimizeJob:
    facts = options["target_facts"]
    return OptimizeJob(
        source=Input(model, _text(options["source_digest"])),
        calibration=_input(options, "calibration"),
        evaluation=_input(options, "evaluation"),
        request=request,
        work_dir=scratch,
        output_dir=folder,
        name=_text(options["name"]) or name_of(model),
        key=_text(options["key"]),
        target_name=_text(options["target_name"]),
        target_facts=facts if isinstance(facts, dict) else None,
        pin=bool(options["pin"]),
    )


def _input(options: dict[str, object], role: str) -> Input | None:
    uri = _text(options[role])
    return Input(uri, _text(options[f"{role}_digest"])) if uri else None


def _text(value: object) -> str | None:
    return str(value) if value is not None else None


def name_of(model: str) -> str:
    """The engine's name where none is given: the last part of the source's path, and nothing secret."""
    if model.startswith(SCHEME):
        last = model.split("@", maxsplit=1)[0].rsplit("/", 1)[-1].split(":", maxsplit=1)[0]
    elif model.startswith(("https://", "http://")):
        last = PurePosixPath(urlsplit(model).path).name
    else:
        last = Path(model).resolve().name
    return last.removesuffix(".onnx") or "model"


def _show(result: OptimizeResult, output: str, options: dict[str, object]) -> None:
    if output != "table":
        emit(result.report.model_dump(mode="json"), output)
        return
    console().print(render_report(result.report))
    where = options["folder"]
    if where:
        console().print(f"engine: {where}\nreport: {where}/report.html", markup=False)
    if options["push"]:
        console().print(f"pushed: {options['push']}", markup=False)
