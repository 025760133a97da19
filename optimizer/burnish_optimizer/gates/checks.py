"""Gates that hold whatever the metric: signature, finite answers, faithful ones, and the batch law. Pure."""

from collections.abc import Iterator, Sequence

from burnish_engine.descriptor import TensorSpec
from burnish_engine.report import GateResult
from burnish_engine.request import Precision
from burnish_optimizer.tasks import BatchCheck, SampleScore
from burnish_runtime.check import format_shape

Specs = Sequence[TensorSpec]
EXACT_NOISE = 0.01
UNJUDGED_NOISE = 0.2


def signature_gate(source: tuple[Specs, Specs], candidate: tuple[Specs, Specs]) -> GateResult:
    """Inputs and outputs keep names, element types, ranks and fixed sizes; free axes stay free.

    A backend may infer an output's free axis as fixed where it follows from the graph.
    """
    wrong = [
        *_differences(source[0], candidate[0], may_fix=False),
        *_differences(source[1], candidate[1], may_fix=True),
    ]
    return GateResult(
        name="signature",
        passed=not wrong,
        found="; ".join(wrong) or "the source's inputs and outputs",
        expected="the source's inputs and outputs",
    )


def finite_gate(scores: Sequence[SampleScore]) -> GateResult:
    """No NaN, no infinity and no other shape where the reference has a number."""
    broken = sum(1 for score in scores if not (score.finite and score.shapes))
    found = (
        f"{broken} of {len(scores)} samples with NaN, infinity or another shape" if scores else "no samples"
    )
    return GateResult(
        name="finite",
        passed=bool(scores) and not broken,
        found=found if broken or not scores else f"{len(scores)} samples, all finite",
        expected="finite answers of the reference's shapes",
    )


def faithful_gate(scores: Sequence[SampleScore], precision: Precision) -> GateResult:
    """What the metric does not look at keeps its answers, too: noise over signal, of each output's samples.

    Of an FP32 candidate every output counts, and noise of a hundredth of the signal is beyond all rounding.
    Of the others the accuracy gate alone decides about the output that it judges; of the rest a fifth may be
    noise (a cosine of 0.91): not a bound on quality, but what is beyond it is another answer.
    """
    exact = precision is Precision.FP32
    allowed = EXACT_NOISE if exact else UNJUDGED_NOISE
    judged = {score.judged for score in scores}
    worst = max(_noise(scores, set() if exact else judged), default=None)
    expected = f"noise of at most {allowed:g} of the signal in outputs that are not judged otherwise"
    if worst is None:
        return GateResult(name="faithful", passed=True, found="no other outputs", expected=expected)
    return GateResult(
        name="faithful", passed=worst <= allowed, found=f"at most {worst:.2g}", expected=expected
    )


def batch_gate(check: BatchCheck | None) -> GateResult:
    """Batch N equals N × batch 1, within a tolerance derived from this model's own rounding."""
    expected = "batch N equals N × batch 1"
    if check is None:
        return GateResult(name="batch", passed=False, found="no figure", expected=expected)
    if not check.applicable:
        return GateResult(name="batch", passed=True, found=f"not applicable: {check.note}", expected=expected)
    if check.difference is None or check.tolerance is None:
        return GateResult(name="batch", passed=False, found=check.note or "no figure", expected=expected)
    return GateResult(
        name="batch",
        passed=check.difference <= check.tolerance,
        found=f"largest difference {check.difference:.3g}",
        expected=f"{expected} within {check.tolerance:.3g}",
    )


def _noise(scores: Sequence[SampleScore], judged: set[int | None]) -> Iterator[float]:
    """Σ noise / Σ signal of each output that is not judged (None among them: all are)."""
    told = [score.energies for score in scores if score.energies]
    if None in judged or not told:
        return
    for index in range(len(told[0])):
        if index not in judged:
            signal, noise = (sum(energies[index][side] for energies in told) for side in (0, 1))
            yield noise / signal if signal > 0 else float("inf") if noise > 0 else 0.0


def _differences(source: Specs, candidate: Specs, *, may_fix: bool) -> list[str]:
    found = {spec.name: spec for spec in candidate}
    unknown = sorted(set(found) - {spec.name for spec in source})
    wrong = [f"unknown {name!r}" for name in unknown]
    for spec in source:
        other = found.get(spec.name)
        if other is None:
            wrong.append(f"{spec.name!r} is gone")
        elif other.dtype != spec.dtype or not _same_shape(spec.shape, other.shape, may_fix=may_fix):
            wrong.append(
                f"{spec.name!r} {other.dtype}{format_shape(other.shape)} "
                f"instead of {spec.dtype}{format_shape(spec.shape)}"
            )
    return wrong


def _same_shape(source: Sequence[int | None], found: Sequence[int | None], *, may_fix: bool) -> bool:
    if len(source) != len(found):
        return False
    return all(
        have == want or (have is None and want is not None) or (want is None and may_fix)
        for want, have in zip(source, found, strict=True)
    )
