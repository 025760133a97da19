"""`burnish inspect MODEL --backends …`: what backends take of a model, each asked in a process of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from burnish_cli.scratch import scratch
from burnish_engine.coverage import Coverage
from burnish_engine.request import Backend

Answers = Mapping[Backend, Coverage | str]
"""What each backend covers, or why it cannot tell."""


def asked(
    model: Path, backends: Sequence[Backend], facts: dict[str, str] | None, work_dir: Path | None
) -> Answers:
    """Ask backends about a model, for the hardware that the facts tell of (None: this machine)."""
    if not backends:
        return {}
    from burnish_optimizer.targets.fingerprint import fingerprint  # noqa: PLC0415 - it starts nvidia-smi

    target = fingerprint() if facts is None else facts
    with scratch(work_dir) as folder:
        return {backend: _ask(model, backend, target, folder / backend.value) for backend in backends}


def answers_table(answers: Answers) -> Table:
    """A row a backend: how many nodes it takes, which it does not and why."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("backend", no_wrap=True)
    table.add_column("takes", overflow="fold")
    for backend, answer in answers.items():
        told = f"cannot tell: {answer}" if isinstance(answer, str) else str(answer)
        table.add_row(backend.value, Text(told))
    return table


def _ask(model: Path, backend: Backend, facts: dict[str, str], folder: Path) -> Coverage | str:
    from burnish_optimizer.backends.protocol import CoverTask  # noqa: PLC0415 - engines need no onnx
    from burnish_optimizer.errors import Declined, WorkerFailed  # noqa: PLC0415
    from burnish_optimizer.isolated import isolated  # noqa: PLC0415

    task = CoverTask(model=str(model.resolve()), backend=backend, facts=facts)
    try:
        return isolated(task, Coverage, folder)
    except Declined as reason:
        return str(reason)
    except WorkerFailed as error:
        return error.found
