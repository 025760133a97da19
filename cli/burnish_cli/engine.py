"""`burnish engine layout`: a verified engine as the model repository of another server."""

from pathlib import Path

import click

from burnish_cli.output import OUTPUT_OPTION, emit
from burnish_cli.pull_options import CACHE_OPTION, verify_key_option
from burnish_engine.keys import read_public_key
from burnish_engine.layout import repository
from burnish_engine.layout.runtimes import ServingRuntime
from burnish_engine.store import read_engine
from burnish_runtime import cpu
from burnish_serving.source import Place, locate

_OTHERS = [runtime.value for runtime in ServingRuntime if runtime is not ServingRuntime.BURNISH]


@click.group()
def engine() -> None:
    """Engines for other servers."""


@engine.command()
@click.argument("engine")
@click.option("--runtime", type=click.Choice(_OTHERS), required=True, help="The server it is for.")
@click.option(
    "-o",
    "out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the model repository: new, empty, or laid out before.",
)
@click.option("--model-name", help="Name in URLs, and of the model's folder. [default: the engine's]")
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Threads of a run. [default: as it was measured, or what the CPU quota here allows]",
)
@CACHE_OPTION
@verify_key_option("only an engine signed by one of them is laid out")
@OUTPUT_OPTION
def layout(
    engine: str,
    *,
    runtime: str,
    out: Path,
    model_name: str | None,
    threads: int | None,
    cache: Path | None,
    verify_keys: tuple[Path, ...],
    output: str,
) -> None:
    """Lay out ENGINE, a folder or oci://…@sha256:…, as a model repository: its files, and the configuration.

    Pulled engines are verified before anything is written. An engine that the server cannot serve with the
    answers that it was judged by is refused (exit 3).
    """
    located = locate(engine, Place(cache, keys=tuple(map(read_public_key, verify_keys))))
    try:
        known = read_engine(located.path)
        name = model_name or known.name
        count = threads or known.options.threads or cpu.default_threads()
        repository.lay_out(located.path, out, ServingRuntime(runtime), name=name, threads=count)
    finally:
        located.release()
    facts = {"repository": str(out), "runtime": runtime, "model": name, "digest": located.digest}
    emit({**facts, "threads": count}, output)
