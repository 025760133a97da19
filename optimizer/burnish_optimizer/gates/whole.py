"""Judges the whole result against the untouched source, once, when all passes are through."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import GateResult
from burnish_optimizer.aside import Aside
from burnish_optimizer.errors import WorkerFailed
from burnish_optimizer.gates.metamorphic import batch_laws, may_bind
from burnish_optimizer.gates.miniature import without_sizes
from burnish_optimizer.gates.structure import fault
from burnish_optimizer.gates.whole_answers import Answers, Source

CHECKER_LIMIT_BYTES = 1 << 30

Laws = Callable[[], tuple[GateResult, ...]]


def judge_whole(
    source: Source, rewritten: ir.Model, *, exact: bool, beside: bool = False
) -> tuple[GateResult, ...]:
    """Structure, answers on every probe, and the laws of batches. Never raises for a wrong result.

    Args: beside: whether a fork of this process may try the laws while this one looks at the answers.
    """
    try:
        proto = ir.serde.serialize_model(rewritten)
        broken = fault(source.model, rewritten) or _checked(proto, source.base)
        full = Answers(source, proto, exact)
        full.found  # noqa: B018 - it is loaded now or not at all
    except Exception as error:  # noqa: BLE001 - whatever makes it invalid
        return (_gate("valid-model", one_line(error), "a model that ONNX Runtime takes"),)
    small = _small(source, proto, exact) if source.small else None
    laws = _laws(source, full, small, beside=beside)
    said = next(_wrong(source, full, small), "")
    return (
        _gate("valid-model", broken, "a model that ONNX's checker and ONNX Runtime take"),
        _gate(
            "answers",
            said,
            "byte-equal to the source" if exact else "the source's answers within rounding",
            f"{len(source.probes)} probes agree",
        ),
        *laws(),
    )


def _small(source: Source, proto: onnx.ModelProto, exact: bool) -> Answers | None:
    """The rewritten model without the sizes that it declares, where it loads without."""
    answers = Answers(source, without_sizes(proto), exact, sized=False)
    try:
        answers.found  # noqa: B018 - it is loaded now or not at all
    except Exception:  # noqa: BLE001 - sizes have become part of it: the declared ones serve
        return None
    return answers


def _wrong(source: Source, full: Answers, small: Answers | None) -> Iterator[str]:
    """What differs, probe by probe; on small inputs it has to differ at the declared sizes, too."""
    for probe in source.probes:
        if probe.declared is None or small is None or small.wrong(probe):
            said = full.wrong(probe.in_full)
            if said:
                yield said


def _laws(source: Source, full: Answers, small: Answers | None, *, beside: bool) -> Laws:
    """The laws of batches, when they are asked for; none where none binds."""

    def tried() -> tuple[GateResult, ...]:
        result = _small_laws(source, small) or batch_laws(
            source.session.run,
            full.found.run,
            (probe.in_full for probe in source.probes if may_bind(probe)),
            exact=full.exact,
        )
        return (result,) if result else ()

    if not beside or not any(may_bind(probe) for probe in source.probes):
        return tried
    try:
        trying = Aside("batch laws", lambda: {"results": [one.model_dump(mode="json") for one in tried()]})
    except OSError:  # no process is to be had
        return tried

    def awaited() -> tuple[GateResult, ...]:
        try:
            return tuple(GateResult.model_validate(one) for one in trying.result()["results"])
        except WorkerFailed as error:
            return (_gate("batch-laws", error.found, "the laws of batches"),)

    return awaited


def _small_laws(source: Source, small: Answers | None) -> GateResult | None:
    """The laws on small inputs, where they bind there and hold."""
    if source.small is None or small is None:
        return None
    part = replace(source.probes[0].in_full, feeds=source.small.feeds, answers={})
    found = batch_laws(source.small.run, small.found.run, [part], exact=small.exact)
    return found if found and found.passed else None


def _gate(name: str, wrong: str, expected: str, right: str = "holds") -> GateResult:
    return GateResult(name=name, passed=not wrong, found=wrong or right, expected=expected)


def _checked(proto: onnx.ModelProto, base: Path | None) -> str:
    if base is not None or proto.ByteSize() > CHECKER_LIMIT_BYTES:
        return ""  # ONNX's checker would read external data beside a file; ONNX Runtime has read it
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        return one_line(error)
    return ""
