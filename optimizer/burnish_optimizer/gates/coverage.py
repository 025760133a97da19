"""The gate on where a candidate runs: no silent fallback. Pure."""

from collections.abc import Mapping

from burnish_engine.coverage import Coverage
from burnish_engine.report import GateResult
from burnish_engine.request import Precision

NAME = "coverage"
# Formats that a backend is asked for at run time, and may quietly not compute in. What is written in the
# graph (QuantizeLinear pairs, packed weights) is the graph's: those layers are told, and judged by accuracy.
ASKED: Mapping[Precision, tuple[str, ...]] = {Precision.BF16: ("bf16",), Precision.FP16: ("f16",)}


def of_recipe(found: Coverage | None, precision: Precision) -> Coverage | None:
    """A coverage with the formats that the precision asks for."""
    if found is None or not found.formats:
        return found
    return found.model_copy(update={"asked": ASKED.get(precision, ())})


def coverage_gate(found: Coverage | None, *, allow_fallback: bool) -> GateResult:
    """Every node runs where it was asked to, and some layer computes in the format that was asked for."""
    expected = "a count of nodes that run elsewhere" if allow_fallback else "every node where it was asked to"
    if found is None:
        return GateResult(name=NAME, passed=False, found="no figure", expected=expected)
    if found.asked and not found.layers_asked:
        formats = "/".join(found.asked)
        return GateResult(name=NAME, passed=False, found=str(found), expected=f"some layer in {formats}")
    passed = allow_fallback or not found.elsewhere
    return GateResult(name=NAME, passed=passed, found=str(found), expected=expected)
