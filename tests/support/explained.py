"""Reports with one candidate for each way of losing."""

from burnish_engine.report import (
    Accuracy,
    CandidateReport,
    CandidateState,
    Estimate,
    GateResult,
    Latency,
    Measurement,
    Report,
    Selected,
    SustainedRate,
)
from burnish_engine.request import Backend, LatencyGoal, Metric, OptimizationRequest, Precision
from support import engines

PASSED = GateResult(name="finite", passed=True, found="numbers", expected="numbers")
INACCURATE = GateResult(
    name="accuracy",
    passed=False,
    found="accuracy 0.9533 (0.9120 to 0.9760), +0.0134 (+0.0000 to +0.0278) below the reference, 180 samples",
    expected="a drop of at most 0.01, at the bad end of its 95 % interval",
)
MIXING = GateResult(name="batch", passed=False, found="0.21", expected="at most 1e-05")


def estimate(value: float, share: float = 0.02) -> Estimate:
    """A figure with an interval of so much to each side."""
    return Estimate(value=value, low=round(value * (1 - share), 4), high=round(value * (1 + share), 4))


def measured(
    milliseconds: float, mebibytes: int, size_mebibytes: int, rate: float | None = None
) -> Measurement:
    """Figures that follow from the p50."""
    p50, p90, p99 = (estimate(milliseconds * times / 1000) for times in (1, 1.2, 2))
    sustained = rate and SustainedRate(
        percentile=99,
        limit_seconds=0.1,
        samples_per_second=estimate(rate),
        latency_seconds=0.08,
        requests=200,
    )
    return Measurement(
        latency_seconds=Latency(p50=p50, p90=p90, p99=p99),
        throughput_per_second=estimate(1000 / milliseconds),
        peak_memory_bytes=mebibytes << 20,
        load_seconds=0.2,
        size_bytes=size_mebibytes << 20,
        samples=400,
        sustained=sustained or None,
    )


def accuracy(drop: float, bad_end: float, needed: int | None = None) -> Accuracy:
    """The accuracy of a candidate on 180 pages; the reference has 0.9667."""
    value = 0.9667 - drop
    return Accuracy(
        metric=Metric.ACCURACY,
        value=value,
        interval=(round(value - 0.04, 4), round(value + 0.02, 4)),
        samples=180,
        reference=0.9667,
        drop=drop,
        drop_interval=(0.0, bad_end),
        samples_needed=needed,
    )


def candidate(recipe: str, state: CandidateState, reason: str, **fields: object) -> CandidateReport:
    """One recipe; the backend and the precision follow from its name."""
    backend = Backend.OPENVINO if recipe.startswith("openvino") else Backend.ONNXRUNTIME
    precision = next((p for p in Precision if p.value.lower() in recipe), Precision.FP32)
    facts = {"recipe": recipe, "backend": backend, "precision": precision, "state": state, "reason": reason}
    return CandidateReport.model_validate(facts | fields)


LOSERS = (
    candidate(
        "openvino-fp32",
        CandidateState.SLOWER,
        "1.31 × as fast (1.28 to 1.34) as the baseline's 10.0 ms beside it; openvino-bf16 is better",
        gates=(PASSED,),
        accuracy=accuracy(0.0, 0.0),
        measurement=measured(7.6, 130, 14),
        speedup=estimate(1.31),
    ),
    candidate(
        "ort-fp32",
        CandidateState.SLOWER,
        "does not beat the baseline: 1.01 × as fast (0.99 to 1.03) as the baseline's 10.0 ms beside it",
        gates=(PASSED,),
        accuracy=accuracy(0.0, 0.0),
        measurement=measured(9.9, 90, 7),
        speedup=estimate(1.01),
    ),
    candidate(
        "openvino-int8",
        CandidateState.REJECTED,
        f"gate accuracy: found {INACCURATE.found}, expected {INACCURATE.expected}",
        gates=(PASSED, INACCURATE),
        accuracy=accuracy(0.0134, 0.02775, needed=2900),
        measurement=measured(4.1, 110, 4),
        speedup=estimate(2.44),
    ),
    candidate(
        "ort-int8-dynamic",
        CandidateState.REJECTED,
        "gate accuracy: found accuracy 0.9111, expected a drop of at most 0.01",
        gates=(PASSED, INACCURATE),
        accuracy=accuracy(0.0556, 0.0902),
        measurement=measured(8.0, 80, 3),
        speedup=estimate(1.25),
    ),
    candidate(
        "openvino-int8-bf16",
        CandidateState.REJECTED,
        "gate accuracy: found accuracy 0.9300, expected a drop of at most 0.01",
        gates=(PASSED, INACCURATE),
        accuracy=accuracy(0.0367, 0.0641),
        measurement=measured(3.0, 112, 4),
        speedup=estimate(3.33),
    ),
    candidate(
        "openvino-int8-qdq",
        CandidateState.REJECTED,
        "gate accuracy: found accuracy 0.9300, expected a drop of at most 0.01",
        gates=(INACCURATE, MIXING),
        accuracy=accuracy(0.0367, 0.0641),
        measurement=measured(2.0, 112, 4),
        speedup=estimate(5.0),
    ),
    candidate(
        "openvino-fp32-static",
        CandidateState.SLOWER,
        "1.90 × the baseline's latency at first look: not examined further",
        first_look=1 / 1.9,
    ),
    candidate("ort-int4-rtn", CandidateState.FAILED, "killed by SIGSEGV"),
    candidate(
        "ort-fp16", CandidateState.SKIPPED, "this processor does not compute in FP16, it would emulate it"
    ),
    candidate("trt-fp8", CandidateState.UNMEASURED, "not measured: built for compute capability 8.9"),
)
WINNER = candidate(
    "openvino-bf16",
    CandidateState.SELECTED,
    "2.00 × as fast (1.96 to 2.04) as the baseline's 10.0 ms beside it",
    gates=(PASSED,),
    accuracy=accuracy(0.0, 0.0055),
    measurement=measured(5.0, 120, 14),
    speedup=estimate(2.0),
)


def report(*, won: bool = True, **request: object) -> Report:
    """A run over all of them; `won` False: without those that beat the baseline, which serves."""
    asked = OptimizationRequest.model_validate({"metric": Metric.ACCURACY, **request})
    selected = Selected(recipe="openvino-bf16", backend=Backend.OPENVINO, precision=Precision.BF16)
    baseline = measured(10.0, 100, 7, rate=80.0)
    return engines.report().model_copy(
        update={
            "request": asked,
            "selected": selected if won else selected.model_copy(update={"recipe": "baseline"}),
            "baseline": baseline,
            "optimized": measured(5.0, 120, 14, rate=164.0) if won else baseline,
            "accuracy": accuracy(0.0, 0.0055 if won else 0.0),
            "candidates": (WINNER, *LOSERS) if won else LOSERS[1:],
        }
    )


GOAL = LatencyGoal(percentile=99, seconds=0.012)
