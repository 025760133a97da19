"""Laws that hold for all data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish_engine.descriptor import TensorSpec
from burnish_engine.report import Estimate, GateResult, Latency, Measurement
from burnish_engine.request import Metric, Minimize, OptimizationRequest, Precision
from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.accuracy import accuracy_gate, summarize
from burnish_optimizer.gates.intervals import wilson
from burnish_optimizer.gates.metrics.distances import cosine
from burnish_optimizer.gates.metrics.measure import Case
from burnish_optimizer.gates.metrics.table import MEASURES
from burnish_optimizer.gates.scores import score_sample
from burnish_optimizer.ingest.samples import DataSpec, open_samples
from burnish_optimizer.measure.statistics import Rounds, ratio
from burnish_optimizer.search.select import Contender, Figures, improvement, select
from burnish_optimizer.tasks import SampleScore

SECONDS = st.floats(1e-5, 10)
NUMBERS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(width=32))


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_encloses_the_share_and_stays_a_share(counted):
    successes, trials = counted
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1.0


@given(NUMBERS, NUMBERS)
def test_cosine_is_a_cosine_whatever_the_numbers(a, b):
    if a.shape == b.shape:
        assert -1.0 <= cosine(a, b) <= 1.0


@given(NUMBERS)
def test_an_answer_agrees_with_itself_unless_it_says_nothing(array):
    for metric in (Metric.COSINE, Metric.MAX_ERROR, Metric.AGREEMENT, Metric.TOP5_AGREEMENT, Metric.SQNR):
        found = score_sample(Case(["y"], [array], [array]), MEASURES[metric])
        assert found.finite is not bool(np.isnan(array).all())
        assert all(noise == 0.0 for _, noise in found.energies)
        assert found.own is None or found.own == pytest.approx(found.reference, abs=1e-3)


def cases(metric):
    """Small answers of the kind that the metric reads, with labels."""
    return st.integers(0, 2**32 - 1).map(lambda seed: _case(metric, np.random.default_rng(seed)))


def _case(metric, random):
    if metric in (Metric.MAP, Metric.DETECTION_AGREEMENT):
        rows = [_rows(random, count).astype(np.float32) for count in random.integers(0, 4, 2)]
        label = _rows(random, 2)[:, [2, 3, 4, 5, 0]]
        return Case(["y"], rows[:1], rows[1:], label)
    expected, found = random.integers(0, 3, (2, 1, 4, 3)).astype(np.float32)
    return Case(["y"], [expected], [found], random.integers(0, 3, 4))


def _rows(random, count):
    """Class, score and corners, as PaddleDetection has them."""
    low = random.integers(0, 3, (count, 2)).astype(float)
    return np.column_stack([random.integers(0, 2, count), random.uniform(0, 1, count), low, low + 3])


@settings(max_examples=60)
@given(st.data(), st.sampled_from(list(MEASURES)), st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_a_sample_drawn_twice_counts_as_two_samples(data, metric, times):
    """What the bootstrap rests on: weights are repetitions, whatever the metric."""
    measure = MEASURES[metric]
    figures = [score_sample(data.draw(cases(metric)), measure).own for _ in times]
    repeated = [figure for figure, count in zip(figures, times, strict=True) for _ in range(count)]
    if not repeated:
        return
    try:
        weighted = measure.statistic(figures)(np.array([times], np.float64))
        expected = measure.statistic(repeated)(np.ones((1, len(repeated))))
    except NoFigure:
        return
    np.testing.assert_allclose(weighted, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60),
    st.sampled_from([Metric.ACCURACY, Metric.COSINE]),
    st.one_of(st.floats(0, 1).map(lambda d: {"max_drop": d}), st.floats(0, 1).map(lambda m: {"minimum": m})),
)
def test_what_passes_in_lower_precision_passes_in_fp32_and_on_enough_samples(pairs, metric, limit):
    asked = OptimizationRequest(metric=metric, **limit)
    scores = [SampleScore(finite=True, shapes=True, own=(a,), reference=(b,)) for a, b in pairs]
    accuracy = summarize(scores, asked)
    assert accuracy.interval[0] - 1e-9 <= accuracy.value <= accuracy.interval[1] + 1e-9
    assert accuracy.drop_interval[0] <= accuracy.drop <= accuracy.drop_interval[1]
    if accuracy_gate(accuracy, asked, Precision.INT8).passed:
        assert accuracy_gate(accuracy, asked, Precision.FP32).passed
        assert 20 <= accuracy.samples_needed <= accuracy.samples


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=2, max_size=20), st.floats(0.1, 10))
def test_a_ratio_lies_in_its_interval_and_does_not_know_the_unit(pairs, unit):
    old, new = (tuple((side,) for side in column) for column in zip(*pairs, strict=True))
    found = ratio(Rounds(old, new))
    scaled = ratio(Rounds(tuple((a * unit,) for (a,) in old), tuple((b * unit,) for (b,) in new)))
    assert found.low <= found.value * (1 + 1e-9)
    assert found.value <= found.high * (1 + 1e-9)
    assert np.isclose(found.value, scaled.value)


def measurement(memory=100, size=100, seconds=1):
    one = Estimate(value=seconds, low=seconds, high=seconds)
    latency = Latency(p50=one, p90=one, p99=one)
    return Measurement(
        latency_seconds=latency,
        throughput_per_second=one,
        peak_memory_bytes=memory,
        load_seconds=0.0,
        size_bytes=size,
        samples=1,
    )


@st.composite
def contenders(draw):
    found = []
    for index in range(draw(st.integers(0, 6))):
        value = draw(st.floats(0.2, 3))
        half = draw(st.floats(0, 0.1))
        interval = Estimate(value=value, low=value - half, high=value + half)
        sizes = measurement(draw(st.integers(1, 300)), draw(st.integers(1, 300)))
        figures = Figures(sizes, measurement(seconds=3), interval, interval) if draw(st.booleans()) else None
        gate = GateResult(name="gate", passed=draw(st.booleans()), found="", expected="")
        found.append(Contender(f"r{index}", draw(st.sampled_from(list(Precision))), (gate,), figures))
    return found


@given(contenders(), st.sampled_from(list(Minimize)))
def test_whoever_wins_passed_was_measured_and_beats_the_baseline(candidates, minimize):
    verdicts = select(candidates, OptimizationRequest(minimize=minimize))
    assert [v.recipe for v in verdicts] == [c.recipe for c in candidates]
    winners = [c for c, v in zip(candidates, verdicts, strict=True) if v.won]
    assert len(winners) <= 1
    for winner in winners:
        assert all(gate.passed for gate in winner.gates)
        assert winner.figures
        assert improvement(winner.figures, minimize).high < 1
    assert all(v.reason for v in verdicts)


@settings(max_examples=40)
@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.int64, np.uint8, np.float16]),
        st.tuples(st.integers(1, 6), st.integers(0, 4), st.integers(1, 3)),
    ),
    st.booleans(),
    st.booleans(),
)
def test_streamed_rows_are_what_numpy_reads(tmp_path_factory, rows, compress, fortran):
    path = tmp_path_factory.mktemp("set") / "set.npz"
    rows = np.asfortranarray(rows) if fortran else rows
    (np.savez_compressed if compress else np.savez)(path, x=rows)
    spec = TensorSpec(name="x", dtype=rows.dtype.name, shape=(None, *rows.shape[1:]))
    found = [s.arrays["x"] for s in open_samples(DataSpec(path=str(path)), (spec,))]
    assert np.stack(found).tobytes() == np.ascontiguousarray(rows).tobytes()
