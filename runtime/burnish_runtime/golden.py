"""The golden answer: what an engine answered where it was made, and whether it answers that here.

An `.npz` beside the model holds one request and its answer, as `input:<name>` and `output:<name>`; no pickle.
A wrong driver, a kernel that computes something else, a damaged device: they show before any user's request.
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from burnish_engine.descriptor import GOLDEN_FILE, EngineDescriptor, GoldenAnswer, TensorSpec
from burnish_engine.request import Precision
from burnish_runtime.dtypes import BFLOAT16, STRING
from burnish_runtime.errors import GoldenMismatch, InvalidModel
from burnish_runtime.load import Engine
from burnish_runtime.session import Array, Session

# More than this is no small record; an engine with larger tensors has none.
MAX_BYTES = 32 << 20
PERTURBED_RUNS = 3
# One unit in the last place of what layers compute in: inputs are shaken by so much.
_UNIT = {Precision.FP32: 2.0**-23, Precision.FP16: 2.0**-10}
_UNIT_OTHERS = 2.0**-7
# Sums in another order err at every layer, not at the inputs alone; a narrow format's unit is far above that.
_MARGIN = {Precision.FP32: 32.0, Precision.FP16: 8.0}
_MARGIN_OTHERS = 4.0
# Of the largest value of an output. FP32: sums of some thousand products in another order, as another number
# of threads adds them; below, one rounding of the narrow format in each of some layers.
_FLOOR = {Precision.FP32: 2.0**-11, Precision.FP16: 2.0**-8}
_FLOOR_OTHERS = 2.0**-5


@dataclass(frozen=True)
class Pair:
    """One request and its answer, as sessions take and give them."""

    feeds: dict[str, Array]
    answers: dict[str, Array]


def made_up(feeds: Mapping[str, Array], specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Noise of the feeds' types and shapes between their smallest and largest value; texts are empty.

    An engine travels further than the samples that it was judged on: none of them goes into it.
    """
    random = np.random.default_rng(0)
    return {spec.name: _noise(feeds[spec.name], spec, random) for spec in specs}


def record(
    session: Session, feeds: Mapping[str, Array], precision: Precision, path: Path
) -> GoldenAnswer | None:
    """Run once, write the pair to `path`, and tell how far answers may be from it.

    Args: feeds: what noise is made from, see `made_up`.
    Tolerances: some times (see `_MARGIN`) what answers move when inputs are shaken by one unit in the last
    place of the engine's format, and never below what another order of sums costs.
    Returns: None where the tensors are too large for a small record, or a shake turns numbers into none.
    """
    asked = made_up(feeds, session.inputs)
    pair = Pair(asked, session.run(asked))
    if _size(pair) > MAX_BYTES:
        return None
    specs = {spec.name: spec for spec in session.outputs}
    noise = dict.fromkeys(pair.answers, 0.0)
    for shaken in _shaken(pair.feeds, session.inputs, _UNIT.get(precision, _UNIT_OTHERS)):
        for name, found in session.run(shaken).items():
            noise[name] = max(noise[name], difference(found, pair.answers[name], specs[name]))
    if not all(np.isfinite(list(noise.values()))):
        return None
    floor, margin = _FLOOR.get(precision, _FLOOR_OTHERS), _MARGIN.get(precision, _MARGIN_OTHERS)
    write(path, pair)
    return GoldenAnswer(
        file=GOLDEN_FILE,
        tolerances={
            name: margin * noise[name] + floor * _scale(pair.answers[name], specs[name]) for name in noise
        },
    )


def verify(engine: Engine, folder: Path) -> bool:
    """Compute the golden request here and compare.

    Returns: False where the engine records no golden answer: it was made before there were any.
    Raises: GoldenMismatch: this machine computes other answers. InvalidModel: a record that cannot be read.
        InvalidInput, InferenceFailed: the engine does not answer at all.
    """
    golden = engine.descriptor.golden
    if golden is None:
        return False
    pair = read(folder, golden, engine.descriptor)
    found = engine.session.run(pair.feeds)
    for spec in engine.descriptor.outputs:
        _compare(engine.descriptor, spec, found[spec.name], pair.answers[spec.name], golden.tolerances)
    return True


def write(path: Path, pair: Pair) -> None:
    """Write a pair. Strings travel as fixed-width text."""
    named = {f"input:{name}": array for name, array in pair.feeds.items()}
    named |= {f"output:{name}": array for name, array in pair.answers.items()}
    plain = {name: array.astype(np.str_) if array.dtype == object else array for name, array in named.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **plain)  # type: ignore[arg-type]


def read(folder: Path, golden: GoldenAnswer, descriptor: EngineDescriptor) -> Pair:
    """The recorded pair.

    Raises: InvalidModel: not there, not readable, or not of this engine's inputs and outputs.
    """
    path = folder / PurePath(golden.file).name
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Pair(
                {spec.name: _array(arrays[f"input:{spec.name}"], spec) for spec in descriptor.inputs},
                {spec.name: _array(arrays[f"output:{spec.name}"], spec) for spec in descriptor.outputs},
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidModel(
            str(path),
            found=f"a golden answer that cannot be read ({error})",
            expected="inputs and outputs of this engine",
            remedy="Optimize and push the engine again.",
        ) from error


def difference(found: Array, expected: Array, spec: TensorSpec) -> float:
    """How far one answer is from another: the largest distance of numbers, or the share of other entries.

    Infinite where shapes differ, or where one has NaN or an infinity and the other has not.
    """
    if found.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    if not _is_float(expected, spec):
        return float(np.mean(found != expected))
    one, other = _numbers(found, spec), _numbers(expected, spec)
    finite = np.isfinite(other)
    if not (
        np.array_equal(finite, np.isfinite(one))
        and np.array_equal(one[~finite], other[~finite], equal_nan=True)
    ):
        return float("inf")
    with np.errstate(over="ignore"):  # an infinite distance is one
        return float(np.max(np.abs(one[finite] - other[finite]), initial=0.0))


def _compare(
    descriptor: EngineDescriptor,
    spec: TensorSpec,
    found: Array,
    expected: Array,
    tolerances: Mapping[str, float],
) -> None:
    distance, allowed = difference(found, expected, spec), tolerances.get(spec.name, 0.0)
    if not distance <= allowed:
        where = ", ".join(f"{name} {value}" for name, value in sorted(descriptor.target.items()))
        raise GoldenMismatch(
            f"engine {descriptor.name!r}, output {spec.name!r}",
            found=f"answers that differ by {distance:.3g} from those that the engine gave where it was made",
            expected=f"at most {allowed:.3g}, on {where}"[:600],
            remedy="This engine computes other answers here: wrong hardware, driver or library, or a damaged "
            "device. Build an engine for this machine, or move the pod.",
        )


def _shaken(
    feeds: Mapping[str, Array], specs: tuple[TensorSpec, ...], unit: float
) -> Iterator[dict[str, Array]]:
    random = np.random.default_rng(0)
    floats = {spec.name for spec in specs if spec.dtype.startswith("float")}
    for _ in range(PERTURBED_RUNS if floats else 0):
        yield {
            name: _shake(array, unit, random) if name in floats else array for name, array in feeds.items()
        }


def _noise(array: Array, spec: TensorSpec, random: np.random.Generator) -> Array:
    if spec.dtype == STRING:
        return np.full(array.shape, "", dtype=object)
    if array.size == 0:
        return array.copy()
    if array.dtype.kind == "b":
        return np.asarray(random.integers(0, 2, array.shape) > 0)
    if not _is_float(array, spec):
        low, high = array.min(), array.max()
        return np.asarray(random.integers(low, high, array.shape, dtype=array.dtype, endpoint=True))
    numbers = _numbers(array, spec)
    share = random.random(array.shape)  # mixed, not scaled: the range itself may be beyond what fits
    low, high = numbers.min(), numbers.max()
    noise = np.asarray(np.clip(low * (1 - share) + high * share, low, high))
    if spec.dtype == BFLOAT16:
        return np.asarray(noise.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return noise.astype(array.dtype)


def _shake(array: Array, unit: float, random: np.random.Generator) -> Array:
    signs = random.integers(0, 2, array.shape) * 2 - 1
    return np.asarray(array * (1 + unit * signs)).astype(array.dtype)


def _is_float(array: Array, spec: TensorSpec) -> bool:
    return spec.dtype == BFLOAT16 or array.dtype.kind == "f"


def _numbers(array: Array, spec: TensorSpec) -> Array:
    if spec.dtype == BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


def _scale(array: Array, spec: TensorSpec) -> float:
    if not _is_float(array, spec):
        return 0.0
    numbers = np.abs(_numbers(array, spec))
    return float(np.max(numbers, where=np.isfinite(numbers), initial=0.0))


def _array(array: Array, spec: TensorSpec) -> Array:
    return array.astype(object) if spec.dtype == STRING else array


def _size(pair: Pair) -> int:
    return sum(array.nbytes for array in (*pair.feeds.values(), *pair.answers.values()))
