"""Two model files, judged on the same inputs in ONNX Runtime with every optimization off."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_optimizer.comparison.figures import Figures, compare_values, merged
from burnish_optimizer.comparison.records import CompareTask, Comparison, OutputComparison, Side, Verdict
from burnish_optimizer.comparison.spread import TOLD, Spread
from burnish_optimizer.errors import ReferenceFailed
from burnish_optimizer.gates.execute import Executable, Feeds
from burnish_optimizer.gates.probes import Probe, search_probes
from burnish_optimizer.ingest.feeds import to_feeds
from burnish_optimizer.ingest.model import SourceModel, read_source
from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.rewrite.walk import op_counts
from burnish_runtime.dtypes import numbers

MOST_SAMPLES = 32
GENERATED = 6
WORST_FIRST = (Verdict.DIFFERENT, Verdict.ROUNDING, Verdict.IDENTICAL)


def compare(task: CompareTask) -> Comparison:
    """Judge model `b` against model `a`.

    Raises: InvalidSource and its like: a file that is no model.   ReferenceFailed: `a` does not run.
    """
    a, b = (read_source(Path(path), served=False) for path in (task.a, task.b))
    sides, differs = (_side(a), _side(b)), signature_difference(a, b)
    if differs:
        return _unlike(*sides, differs)
    threads = task.threads or 1
    proto = onnx.load(str(a.path), load_external_data=False)
    session = _loaded(a, proto, threads)
    other = _other(b, session, threads)
    if isinstance(other, str):
        return _unlike(*sides, (other,))
    probes = _probes(task, a, proto, session)
    types = {spec.name: spec.dtype for spec in a.outputs}
    spread = Spread(proto, session, a.path.parent, threads, types)
    outputs, refused = _judge(types, probes, session, other, spread)
    return _verdict(*sides, probes, outputs, refused)


def signature_difference(a: SourceModel, b: SourceModel) -> tuple[str, ...]:
    """How inputs and outputs differ: names and element types; sizes where both are fixed."""
    found = []
    for what in ("inputs", "outputs"):
        left, right = ({spec.name: spec for spec in getattr(side, what)} for side in (a, b))
        found += [f"{what}: {name!r} only in the first" for name in left if name not in right]
        found += [f"{what}: {name!r} only in the second" for name in right if name not in left]
        for name in (name for name in left if name in right):
            one, two = left[name], right[name]
            if one.dtype != two.dtype or not _fit(one.shape, two.shape):
                found.append(f"{what}: {name!r} {one.dtype}{list(one.shape)}, {two.dtype}{list(two.shape)}")
    return tuple(found)


def _fit(one: Sequence[int | None], two: Sequence[int | None]) -> bool:
    same_rank = len(one) == len(two)
    return same_rank and all(a == b or None in (a, b) for a, b in zip(one, two, strict=True))


def _side(model: SourceModel) -> Side:
    loaded = ir.load(model.path)
    ops = op_counts(loaded)
    return Side(
        path=str(model.path), size_bytes=model.size_bytes, nodes=sum(ops.values()), opset=model.opset, ops=ops
    )


def _loaded(model: SourceModel, proto: onnx.ModelProto, threads: int) -> Executable:
    try:
        return Executable(proto, model.path.parent, threads)
    except Exception as error:
        raise _does_not_run(model, one_line(error)) from error


def _other(model: SourceModel, first: Executable, threads: int) -> Executable | str:
    """The second model loaded, or why it cannot stand in for the first."""
    try:
        proto = onnx.load(str(model.path), load_external_data=False)
        session = Executable(proto, model.path.parent, threads)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's refusals have no common type
        return f"the second model does not load: {one_line(error)}"
    # What requests cannot carry (sequences …) has no specification, and still has a name.
    for what in ("inputs", "outputs"):
        one, two = (set(getattr(each, what)) for each in (first, session))
        if one != two:
            return f"{what}: {', '.join(sorted(one ^ two))} in one of them only"
    return session


def _does_not_run(model: SourceModel, found: str) -> ReferenceFailed:
    return ReferenceFailed(
        str(model.path),
        found=found,
        expected="a model that ONNX Runtime runs, to judge the other by",
        remedy="Give samples with --data where the model takes only inputs of a certain kind.",
    )


def _probes(
    task: CompareTask, model: SourceModel, proto: onnx.ModelProto, session: Executable
) -> Sequence[Probe]:
    samples: list[Feeds] = []
    if task.data is not None:
        taken = islice(open_samples(task.data, model.inputs), MOST_SAMPLES)
        samples = [to_feeds(sample.arrays, model.inputs) for sample in taken]
    given = [Probe(f"sample {number}", feeds) for number, feeds in enumerate(samples, 1)]
    found = search_probes(ir.from_proto(proto), session.run, samples=samples[:1], most=GENERATED)
    made = [probe for probe in found.probes if not probe.name.startswith("sample ")]
    if not given and not made:
        raise _does_not_run(model, found.reason or "no inputs that it takes")
    return [*given, *made]


def _judge(
    types: Mapping[str, str],
    probes: Sequence[Probe],
    session: Executable,
    other: Executable,
    spread: Spread,
) -> tuple[list[OutputComparison], list[str]]:
    """Every output over all probes, and the probes that the second model refuses."""
    figures: dict[str, list[tuple[str, Figures]]] = {name: [] for name in session.outputs}
    refused: list[str] = []
    for probe in probes:
        answers = session.run(probe.feeds)
        try:
            found = other.run(probe.feeds)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's refusals have no common type
            refused.append(f"{probe.name}: {one_line(error, 200)}")
            continue
        bounds = spread.bounds(probe.feeds, answers)
        for name in session.outputs:
            one, two = (_numbers(each[name], types.get(name, "")) for each in (answers, found))
            figures[name].append((probe.name, compare_values(one, two, bounds.get(name))))
    return [_output(name, each) for name, each in figures.items()], refused


def _numbers(value: Any, dtype: str) -> Any:
    return numbers(value, dtype) if isinstance(value, np.ndarray) else value


def _output(name: str, figures: Sequence[tuple[str, Figures]]) -> OutputComparison:
    whole = merged([each for _, each in figures])
    worst = max(figures, key=lambda item: (item[1].of_bound, item[1].max_absolute), default=("", whole))[0]
    within = whole.of_bound <= 1 and not whole.wrong
    identical = whole.same == whole.elements and not whole.wrong
    return OutputComparison(
        name=name,
        verdict=Verdict.IDENTICAL if identical else Verdict.ROUNDING if within else Verdict.DIFFERENT,
        max_absolute=whole.max_absolute,
        max_relative=whole.max_relative,
        of_bound=whole.of_bound,
        cosine=whole.cosine,
        same_bytes=whole.same / whole.elements if whole.elements else 1.0,
        agreement=whole.agreement,
        non_finite=whole.non_finite,
        worst="" if identical else worst,
        note=whole.wrong,
    )


def _unlike(a: Side, b: Side, differs: tuple[str, ...]) -> Comparison:
    return Comparison(
        verdict=Verdict.DIFFERENT,
        reason=f"they do not take and give the same: {'; '.join(differs)}",
        a=a, b=b, signature=differs, probes=(), outputs=(), refused=(), bound=TOLD,
    )  # fmt: skip


def _verdict(
    a: Side, b: Side, probes: Sequence[Probe], outputs: Sequence[OutputComparison], refused: Sequence[str]
) -> Comparison:
    verdict = next((v for v in WORST_FIRST if any(o.verdict is v for o in outputs)), Verdict.IDENTICAL)
    verdict = Verdict.DIFFERENT if refused else verdict
    return Comparison(
        verdict=verdict,
        reason=_reason(verdict, outputs, refused, len(probes)),
        a=a, b=b, signature=(), probes=tuple(p.name for p in probes), outputs=tuple(outputs),
        refused=tuple(refused), bound=TOLD,
    )  # fmt: skip


def _reason(
    verdict: Verdict, outputs: Sequence[OutputComparison], refused: Sequence[str], probes: int
) -> str:
    if refused:
        return f"the second model refuses {len(refused)} of {probes} inputs of the first: {refused[0]}"
    if verdict is Verdict.IDENTICAL:
        return f"every output is the same to the bit on {probes} inputs"
    worst = max(outputs, key=lambda o: o.of_bound)
    if verdict is Verdict.ROUNDING:
        return f"the largest error is {worst.of_bound:.2g} of what rounding explains ({worst.name!r})"
    if worst.note or worst.non_finite:
        found = worst.note or f"{worst.non_finite} elements are NaN or infinite on one side alone"
        return f"output {worst.name!r}: {found} ({worst.worst})"
    return (
        f"output {worst.name!r} is off by {worst.of_bound:.3g} times what rounding explains ({worst.worst})"
    )
