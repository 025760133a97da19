"""Gates that hold whatever the metric: signature, finite answers, and the batch law. Pure."""

from collections.abc import Sequence

from burnish_engine.descriptor import TensorSpec
from burnish_engine.report import GateResult
from burnish_optimizer.tasks import BatchCheck, SampleScore
from burnish_runtime.check import format_shape

Specs = Sequence[TensorSpec]


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
