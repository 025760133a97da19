"""The reference's answers on disk, one file a sample, so that no candidate needs them all in memory."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_engine.digest import of_json
from burnish_engine.errors import one_line
from burnish_engine.request import Backend
from burnish_optimizer.gates.metamorphic import deviation
from burnish_optimizer.ingest.feeds import Feeds, is_batchable, stack, to_feeds
from burnish_optimizer.ingest.samples import DataSpec, Sample, open_samples
from burnish_optimizer.tasks import AnswersResult, AnswersTask
from burnish_runtime.dtypes import numbers
from burnish_runtime.load import open_session
from burnish_runtime.session import Array, Session

DONE = "answers.json"
BATCH_ROWS = 3
# Beyond this, rows of the reference's own batch are not independent: no law binds the candidates.
MAX_RELATIVE_BATCH_ERROR = 1e-3
UNOPTIMIZED = "disabled"


def write_answers(task: AnswersTask) -> AnswersResult:
    """Run the source over all samples, write outputs as `<index>.npz`; an earlier whole run is reused."""
    folder = Path(task.folder)
    done = folder / DONE
    if done.is_file():
        return AnswersResult.model_validate_json(done.read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    options = RunOptions(threads=task.threads, graph_optimization=UNOPTIMIZED)
    session = open_session(Path(task.model), Backend.ONNXRUNTIME, options)
    count = 0
    for sample in open_samples(task.data, session.inputs):
        _write(folder, count, answer(session, to_feeds(sample.arrays, session.inputs)), session.outputs)
        count += 1
    error, note = _batch_error(session, task.data)
    result = AnswersResult(
        samples=count, inputs=session.inputs, outputs=session.outputs, batch_error=error, batch_note=note
    )
    done.write_text(result.model_dump_json(), encoding="utf-8")
    return result


def answer(session: Session, feeds: Feeds) -> Feeds:
    """All outputs as numbers to compare: bfloat16 travels as bits, which mean nothing as integers."""
    types = {spec.name: spec.dtype for spec in session.outputs}
    return {name: numbers(array, types[name]) for name, array in session.run(feeds).items()}


def judged_samples(
    folder: Path, data: DataSpec, inputs: Sequence[TensorSpec]
) -> Iterator[tuple[Sample, list[Array]]]:
    """Every sample with the reference's outputs, in the model's order of outputs."""
    for index, sample in enumerate(open_samples(data, inputs)):
        yield sample, read_answer(folder, index)


def read_answer(folder: Path, index: int) -> list[Array]:
    """The reference's outputs for one sample."""
    with np.load(
        folder / f"{index:06d}.npz", allow_pickle=True
    ) as archive:  # our own file; strings are objects
        return [archive[f"output{position}"] for position in range(len(archive.files))]


def first_batch(data: DataSpec, inputs: Sequence[TensorSpec]) -> tuple[list[Feeds], Feeds | None, str]:
    """The first samples as single feeds and as one batch; the batch is None where they do not stack."""
    singles = [to_feeds(s.arrays, inputs) for s in islice(open_samples(data, inputs), BATCH_ROWS)]
    if not is_batchable(inputs):
        return singles, None, "the batch axis is fixed"
    if len(singles) < 2 or any(array.shape[:1] != (1,) for feeds in singles for array in feeds.values()):
        return singles, None, "there are no two samples of one row each"
    batch = stack(singles)
    return singles, batch, "" if batch else "the samples differ in shape"


def batch_difference(session: Session, singles: list[Feeds], batch: Feeds) -> tuple[float, float]:
    """Largest |batch N - N × batch 1| over all outputs, and the scale of the outputs (largest |value|).

    Raises: ValueError: an output's first axis does not count rows.
    """
    together = answer(session, batch)
    alone = [answer(session, feeds) for feeds in singles]
    return deviation(together, {name: np.concatenate([row[name] for row in alone]) for name in together})


def _batch_error(session: Session, data: DataSpec) -> tuple[float | None, str]:
    singles, batch, note = first_batch(data, session.inputs)
    if batch is None:
        return None, note
    try:
        difference, scale = batch_difference(session, singles, batch)
    except Exception as error:  # noqa: BLE001 - a model that cannot take a batch says so in many ways
        return None, f"the source cannot take a batch ({one_line(error, 200)})"
    if difference > MAX_RELATIVE_BATCH_ERROR * max(scale, 1e-30):
        return None, "the source's own rows are not independent of each other"
    return difference, ""


def _write(folder: Path, index: int, outputs: dict[str, Array], specs: Sequence[TensorSpec]) -> None:
    arrays = {f"output{position}": outputs[spec.name] for position, spec in enumerate(specs)}
    np.savez(folder / f"{index:06d}.npz", **arrays)  # type: ignore[arg-type]


def cache_name(source_digest: str, data_digest: str, limit: int | None, runtime: str) -> str:
    """A folder name for answers that are the same whenever these are the same."""
    return of_json([source_digest, data_digest, limit, runtime]).removeprefix("sha256:")[:24]
