"""`burnish inspect X`: what an engine or a model is."""

from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_cli.engines import engine_facts
from burnish_cli.inspect_backends import Answers, answers_table, asked
from burnish_cli.output import OUTPUT_OPTION, console, emit
from burnish_cli.parse import Choices, Facts, InputShape
from burnish_cli.scratch import WORK_DIR_OPTION, scratch
from burnish_engine.descriptor import ENGINE_FILE
from burnish_engine.oci.reference import SCHEME
from burnish_engine.request import Backend
from burnish_optimizer.inspection.records import InspectTask, ModelFacts
from burnish_optimizer.report.console import size
from burnish_optimizer.report.words import large

MOST_ROWS = 20


@click.command()
@click.argument("subject", metavar="ENGINE|MODEL")
@click.option(
    "--shape",
    "shapes",
    type=InputShape(),
    multiple=True,
    help="Size of a model's input, such as x=1x3x224x224. [default: small sizes that it takes; told]",
)
@click.option("--backends", type=Choices(Backend), help="Ask these, too, what they take of a model.")
@click.option("--target-facts", type=Facts(), help="Of the hardware to ask for. [default: this machine's]")
@WORK_DIR_OPTION
@OUTPUT_OPTION
def inspect(
    subject: str,
    *,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    backends: tuple[Backend, ...] | None,
    target_facts: dict[str, str] | None,
    work_dir: Path | None,
    output: str,
) -> None:
    """Show what an ENGINE (a folder or oci://…) or a MODEL (an ONNX file) is.

    An engine: backend, precision, signature, origin. A model: ops, parameters, arithmetic (a multiplication
    and an addition count as two), memory, free dimensions, operator sets, kernels of every target.
    """
    if subject.startswith(SCHEME) or (Path(subject) / ENGINE_FILE).is_file():
        emit(engine_facts(subject), output)
        return
    found = _model_facts(Path(subject), dict(shapes), work_dir)
    answers = asked(Path(subject), backends or (), target_facts, work_dir)
    if output == "table":
        console().print(render(found), *([answers_table(answers)] if answers else []))
    else:
        emit(found.model_dump(mode="json") | ({"backends": _told(answers)} if answers else {}), output)


def _model_facts(path: Path, shapes: dict[str, tuple[int, ...]], work_dir: Path | None) -> ModelFacts:
    from burnish_optimizer.ingest.model import read_source  # noqa: PLC0415 - engines need no onnx
    from burnish_optimizer.inspection.shapes import check_shapes  # noqa: PLC0415
    from burnish_optimizer.isolated import isolated  # noqa: PLC0415

    source = read_source(path, served=False)
    check_shapes(source.path, shapes)
    with scratch(work_dir) as folder:
        return isolated(InspectTask(model=str(source.path.resolve()), shapes=shapes), ModelFacts, folder)


def _told(answers: Answers) -> dict[str, object]:
    return {
        backend.value: answer if isinstance(answer, str) else answer.model_dump(mode="json")
        for backend, answer in answers.items()
    }


def render(found: ModelFacts) -> RenderableType:
    """Facts as name and value, op types with their share of the work, and what targets lack."""
    return Group(facts_table(found), Text(), op_table(found), Text(), coverage_table(found), notes(found))


def facts_table(found: ModelFacts) -> Table:
    """Everything that is one line."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in _lines(found).items():
        table.add_row(name, Text(value))
    return table


def op_table(found: ModelFacts) -> Table:
    """Op types, most nodes first, with the arithmetic of each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("op", overflow="fold")
    table.add_column("nodes", justify="right")
    table.add_column("FLOPs", justify="right")
    for op, count in list(found.ops.items())[:MOST_ROWS]:
        unknown = found.arithmetic.unknown.get(op)
        work = large(found.arithmetic.by_op.get(op, 0)) + (f" + {unknown} unknown" if unknown else "")
        table.add_row(Text(op), str(count), work)
    rest = list(found.ops.values())[MOST_ROWS:]
    if rest:
        table.add_row(f"{len(rest)} more", str(sum(rest)), "")
    return table


def coverage_table(found: ModelFacts) -> Table:
    """Every target: nodes with a kernel, and those without."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("target", no_wrap=True)
    table.add_column("kernels", justify="right", no_wrap=True)
    table.add_column("without one", overflow="fold")
    for name, each in found.coverage.items():
        total = each.covered + sum(each.composed.values()) + sum(each.missing.values())
        lacks = [f"{op} × {count}" for op, count in each.missing.items()]
        lacks += [f"{op} × {count}, run as a function" for op, count in each.composed.items()]
        table.add_row(name, f"{each.covered}/{total}", Text("; ".join(lacks) or "–"))
    return table


def notes(found: ModelFacts) -> Text:
    """What the figures do not cover."""
    return Text("\n".join(f"note: {note}" for note in found.notes), style="yellow")


def _lines(found: ModelFacts) -> dict[str, str]:
    work, memory = found.arithmetic, found.memory
    kinds = ", ".join(f"{kind} {large(count)}" for kind, count in found.parameters_by_type.items())
    unknown = f", {sum(work.unknown.values())} nodes of unknown shape not counted" if work.unknown else ""
    unsized = f", {memory.unknown} values of unknown size not counted" if memory.unknown else ""
    sizes: dict[str, Any] = {
        name: "×".join(map(str, dims)) or "scalar" for name, dims in found.shapes.items()
    }
    return {
        "model": found.name,
        "size": size(found.size_bytes) + "".join(f", with {name}" for name in found.external_files),
        "producer": found.producer or "not told",
        "format": f"IR {found.ir_version}, "
        + ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in found.opsets.items()),
        "inputs": "\n".join(found.inputs) or "none",
        "outputs": "\n".join(found.outputs),
        "free": "\n".join(f"{name}: {', '.join(at)}" for name, at in found.dynamic.items()) or "none",
        "nodes": f"{found.nodes}, {found.subgraphs} subgraphs, {len(found.functions)} functions",
        "parameters": f"{large(found.parameters)} ({kinds})" if kinds else "none",
        "weights": size(memory.weights_bytes),
        "at shapes": ", ".join(f"{name} {text}" for name, text in sizes.items()) or "none found",
        "FLOPs": large(work.flops) + unknown,
        "activations": f"{size(memory.peak_activation_bytes)} at most, at {memory.peak_at}{unsized}",
    }
