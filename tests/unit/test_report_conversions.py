"""What builders tell of fewer bits: bounded, in the order of the graph, and drawn from what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish_engine.conversion import FloatConversion, LayerBits, ValueRange, WeightConversion
from burnish_engine.report import CandidateReport, CandidateState, Report
from burnish_engine.request import Backend, Precision
from burnish_optimizer.precision import conversions
from burnish_optimizer.report.conversions import HEIGHT, WIDTH, conversion_plot
from burnish_optimizer.report.page import render_page
from support import engines

EVIL = "<script>alert(1)</script>"


def layer(name, error, bits=4, note=""):
    return LayerBits(
        name=name, bits=bits, block=32, method="rtn", error=error, bytes_before=400, bytes_after=60, note=note
    )


def narrow(*ranges):
    return FloatConversion(
        precision=Precision.FP16,
        nodes=3,
        casts=1,
        limit=65504,
        stayed=conversions.stayed({EVIL: "reaches 1e6"}),
        ranges=ranges,
        values=len(ranges),
    )


def test_nodes_are_grouped_by_reason_and_rare_reasons_are_counted_together():
    kept = {f"n{i}": "its neighbours keep FP32" for i in range(9)} | {
        f"m{i}": f"m{i} reaches 1e6" for i in range(60)
    }
    found = conversions.stayed(kept)
    assert (found[0].count, len(found[0].nodes)) == (9, conversions.MOST_NODES)
    assert found[-1].reason == "other reasons"
    assert sum(one.count for one in found) == len(kept)
    assert len(found) == conversions.MOST_REASONS + 1


def test_of_many_layers_those_with_the_largest_error_are_told_and_all_are_counted():
    layers = [layer(f"l{i}", error=(i * 37 % 500) / 500) for i in range(500)]
    told = conversions.weights(layers, {})
    assert (told.count, told.bytes_before, told.bytes_after) == (500, 500 * 400, 500 * 60)
    assert len(told.layers) == conversions.MOST_LAYERS
    assert min(one.error for one in told.layers) >= 0.48
    numbers = [int(one.name[1:]) for one in told.layers]
    assert numbers == sorted(numbers)


def test_columns_are_as_high_as_errors_and_coloured_by_bits():
    plot = conversion_plot(
        "int4", conversions.weights([layer("a", 0.1), layer("b", 0.05, bits=8)], {"c": "excluded"})
    )
    high, low = plot.columns
    assert high.height == pytest.approx(2 * low.height, abs=0.2)
    assert (high.style, low.style) == ("few", "more")
    assert plot.story == "2 layers in fewer bits, 1 left as they were; 800 B → 120 B (0.15 ×)"


@given(st.lists(st.tuples(st.floats(), st.floats(), st.booleans()), max_size=30))
def test_every_range_has_a_place_on_the_picture(found):
    plot = conversion_plot(
        "fp16", narrow(*(ValueRange(name="v", low=a, high=b, stayed=s) for a, b, s in found))
    )
    assert len(plot.dots) == len(found)
    assert all(0 <= dot.x <= WIDTH and 0 <= dot.y <= HEIGHT for dot in plot.dots)
    assert all(0 <= line.at <= HEIGHT for line in plot.lines)


def test_what_is_above_the_limit_is_drawn_above_it():
    plot = conversion_plot(
        "fp16", narrow(*(ValueRange(name="v", low=-x, high=1, stayed=x > 1e4) for x in (10, 1e6)))
    )
    (limit,) = [line for line in plot.lines if line.style == "limit"]
    below, above = plot.dots
    assert above.y < limit.at < below.y
    assert (below.style, above.style) == ("narrow", "stayed")


def test_the_page_and_the_json_tell_all_of_it():
    told = (
        narrow(ValueRange(name=EVIL, low=-1, high=2, stayed=False)),
        WeightConversion(
            layers=(layer(EVIL, 0.1, note=EVIL),), count=1, bytes_before=4, bytes_after=1, stayed=()
        ),
    )
    candidates = tuple(
        CandidateReport(
            recipe=f"r{i}",
            backend=Backend.ONNXRUNTIME,
            precision=Precision.FP16,
            state=CandidateState.SLOWER,
            reason="",
            conversion=one,
        )
        for i, one in enumerate(told)
    )
    report = engines.report().model_copy(update={"candidates": candidates})
    page = render_page(report, "net")
    assert EVIL not in page
    for words in (
        "3 nodes in FP16, 1 left in FP32, 1 cast added",
        "reaches 1e6 × 1",
        "1 layer in fewer bits",
    ):
        assert words in page
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_without_conversions_there_is_no_such_section():
    assert "<h2>Conversion</h2>" not in render_page(engines.report(), "net")
