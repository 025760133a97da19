"""What wins: gates first, then figures, never by a missing one."""

import pytest

from burnish_engine.report import Estimate, GateResult, Latency, Measurement
from burnish_engine.request import LatencyGoal, Minimize, OptimizationRequest, Precision
from burnish_optimizer.search.select import Contender, Figures, select

GOOD = (GateResult(name="accuracy", passed=True, found="1.0", expected="≥ 0.99"),)
BAD = (GateResult(name="accuracy", passed=False, found="0.7", expected="≥ 0.99"),)


def exactly(value):
    return Estimate(value=value, low=value, high=value)


def measured(seconds=0.01, memory=100, size=100):
    latency = Latency(p50=exactly(seconds), p90=exactly(seconds), p99=exactly(seconds))
    return Measurement(
        latency_seconds=latency,
        throughput_per_second=exactly(1 / seconds),
        peak_memory_bytes=memory,
        load_seconds=0.1,
        size_bytes=size,
        samples=100,
    )


def contender(name, ratio, *, precision=Precision.FP32, gates=GOOD, mean=None, goal=None, **figures):
    value, low, high = ratio
    p50 = Estimate(value=value, low=low, high=high)
    return Contender(
        name,
        precision,
        gates,
        Figures(measured(**{"seconds": 0.01 * value} | figures), measured(), p50, mean or p50, goal),
    )


def winner(contenders, **request):
    verdicts = select(contenders, OptimizationRequest(**request))
    won = [verdict.recipe for verdict in verdicts if verdict.won]
    assert len(won) <= 1
    return won[0] if won else "baseline"


def reason(contenders, name, **request):
    verdicts = select(contenders, OptimizationRequest(**request))
    return next(v.reason for v in verdicts if v.recipe == name)


def test_the_fastest_that_passes_wins():
    assert winner([contender("a", (0.8, 0.79, 0.81)), contender("b", (0.5, 0.49, 0.51))]) == "b"


def test_nobody_tried_means_that_the_baseline_wins():
    assert winner([]) == "baseline"


def test_a_failed_gate_disqualifies_however_fast():
    rejected = contender("wrong", (0.1, 0.1, 0.1), gates=BAD)
    assert winner([rejected, contender("right", (0.9, 0.89, 0.91))]) == "right"
    assert "gate accuracy: found 0.7" in reason([rejected], "wrong")


def test_a_missing_figure_disqualifies():
    assert winner([Contender("unmeasured", Precision.FP32, GOOD, None)]) == "baseline"


def test_an_interval_that_reaches_one_does_not_beat_the_baseline():
    assert winner([contender("maybe", (0.97, 0.93, 1.0))]) == "baseline"
    assert "does not beat the baseline" in reason([contender("maybe", (0.97, 0.93, 1.0))], "maybe")


def test_within_noise_the_more_exact_wins():
    int8 = contender("int8", (0.50, 0.48, 0.52), precision=Precision.INT8)
    bf16 = contender("bf16", (0.53, 0.51, 0.55), precision=Precision.BF16)
    assert winner([int8, bf16]) == "bf16"


def test_beyond_noise_the_faster_wins():
    int8 = contender("int8", (0.40, 0.39, 0.41), precision=Precision.INT8)
    bf16 = contender("bf16", (0.53, 0.51, 0.55), precision=Precision.BF16)
    assert winner([bf16, int8]) == "int8"


def test_among_equals_the_first_tried_wins():
    assert winner([contender("first", (0.5, 0.4, 0.6)), contender("second", (0.49, 0.4, 0.6))]) == "first"


@pytest.mark.parametrize(("goal", "expected"), [(0.009, "fast"), (0.011, "baseline"), (None, "baseline")])
def test_the_latency_goal_binds_and_a_missing_figure_misses_it(goal, expected):
    request = {"latency": LatencyGoal(percentile=99, seconds=0.010)}
    assert winner([contender("fast", (0.5, 0.5, 0.5), goal=goal)], **request) == expected


def test_cost_counts_the_mean_not_the_median():
    spiky = contender("spiky", (0.5, 0.5, 0.5), mean=exactly(1.2))
    steady = contender("steady", (0.8, 0.8, 0.8), mean=exactly(0.8))
    assert winner([spiky, steady], minimize=Minimize.COST) == "steady"
    assert winner([spiky, steady], minimize=Minimize.LATENCY) == "spiky"


def test_size_and_memory_are_their_own_objectives():
    small = contender("small", (2.0, 2.0, 2.0), size=40, memory=120)
    lean = contender("lean", (2.0, 2.0, 2.0), size=99, memory=60)
    assert winner([lean, small], minimize=Minimize.SIZE) == "small"
    assert winner([lean, small], minimize=Minimize.MEMORY) == "lean"
    assert winner([lean, small], minimize=Minimize.LATENCY) == "baseline"


def test_memory_within_noise_is_no_gain():
    assert winner([contender("same", (2.0, 2.0, 2.0), memory=99)], minimize=Minimize.MEMORY) == "baseline"


def test_losers_are_told_who_won():
    contenders = [contender("slow", (0.8, 0.79, 0.81)), contender("fast", (0.5, 0.49, 0.51))]
    assert "1.25 × as fast" in reason(contenders, "slow")
    assert "fast is better" in reason(contenders, "slow")
    assert "2.00 × as fast (1.96 to 2.04) as the baseline's 10.0 ms" in reason(contenders, "fast")


def test_a_ratio_that_the_plain_figures_contradict_does_not_win():
    assert winner([contender("drifting", (0.9, 0.88, 0.92), seconds=0.011)]) == "baseline"


def built(name, gates=GOOD):
    return Contender(name, Precision.FP32, gates, None, "no such device is here")


def test_what_was_built_and_not_measured_is_chosen_only_where_it_is_allowed():
    field = [built("first"), built("second")]
    assert winner(field) == "baseline"
    assert "not measured: no such device" in reason(field, "first")
    assert winner(field, allow_unmeasured=True) == "first"
    assert "without a measurement, as the request allows" in reason(field, "first", allow_unmeasured=True)
    assert "not measured" in reason(field, "second", allow_unmeasured=True)


def test_what_was_not_measured_never_counts_as_faster():
    field = [built("unknown"), contender("known", (0.9, 0.89, 0.91))]
    assert winner(field, allow_unmeasured=True) == "known"
    slower = [built("unknown"), contender("slower", (1.1, 1.09, 1.11))]
    assert winner(slower, allow_unmeasured=True) == "unknown"
    assert "does not beat" in reason(slower, "slower", allow_unmeasured=True)


def test_a_gate_rejects_what_was_not_measured_all_the_same():
    assert winner([built("wrong", BAD)], allow_unmeasured=True) == "baseline"
    assert winner([built("wrong", BAD), built("right")], allow_unmeasured=True) == "right"
