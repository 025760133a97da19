"""Probes: inputs that a source accepts, and what they cover."""

import ml_dtypes
import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest

from burnish_optimizer.gates import probe_hunt, probes
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.probe_feeds import Signature
from burnish_optimizer.gates.probe_floats import Style, drawn, finite_extremes, scattered
from burnish_optimizer.gates.probe_trace import uses
from burnish_optimizer.gates.probes import search_probes

HEADER = '<ir_version: 9, opset_import: ["" : 17]>'


def model(text):
    return ir.from_proto(onnx.parser.parse_model(f"{HEADER} {text}"))


def found(text, **options):
    net = model(text)
    return search_probes(net, Executable(ir.serde.serialize_model(net)).run, **options)


def arrays(text, name, **options):
    return [probe.feeds[name] for probe in found(text, **options).probes]


class TestSizes:
    def test_batches_and_sizes_differ_from_probe_to_probe(self):
        shapes = [
            a.shape for a in arrays("g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Relu(x) }", "x")
        ]
        assert {s[0] for s in shapes} >= {0, 1, 2, 3}
        assert len({s[2:] for s in shapes}) >= 4
        assert any(h != w for _, _, h, w in shapes)

    def test_the_same_symbol_has_the_same_size(self):
        for probe in found("g (float[N, S] a, float[N, S] b) => (float[N, S] y) { y = Add(a, b) }").probes:
            assert probe.feeds["a"].shape == probe.feeds["b"].shape

    def test_strided_networks_get_the_multiples_that_they_ask_for(self):
        text = """g (float[N, 1, H, W] x) => (float[N, 1, H, W] y) {
            shape = Constant <value_ints = [0, 1, -1, 32]> ()
            cut = Reshape(x, shape)
            y = Reshape(cut, whole)
        }"""
        text = text.replace("whole)", "same)").replace("cut = ", "same = Shape(x)\n cut = ")
        shapes = [a.shape for a in arrays(text, "x")]
        assert shapes
        assert all(n * h * w % 32 == 0 for n, _, h, w in shapes)

    def test_sizes_that_only_the_weights_tell(self):
        text = """g (float[N, K] x) => (float[N, M] y) <float[37, 2] w = {0}> { y = MatMul(x, w) }"""
        text = text.replace("{0}", "{" + ", ".join(["0.5"] * 74) + "}")
        assert {a.shape[1] for a in arrays(text, "x")} == {37}

    def test_rows_that_have_no_name_and_lead_no_axis_are_found(self):
        text = """g (float[?, 4] x, float[2, ?, 4] state) => (float[?, ?, ?] y) {
            axis = Constant <value_ints = [0]> () wide = Unsqueeze(x, axis)
            y = Concat <axis = 0> (wide, state) }"""
        probe = found(text).probes[0]
        assert probe.feeds["x"].shape[0] == probe.feeds["state"].shape[1] == 2
        assert probe.axes == {"x": 0, "state": 1}

    def test_fixed_shapes_and_scalars_are_fed_as_they_are(self):
        assert {
            a.shape for a in arrays("g (float[2, 3] x, float b) => (float[2, 3] y) { y = Mul(x, b) }", "b")
        } == {()}

    def test_a_large_fixed_input_is_probed_and_a_free_one_stays_small(self):
        free = arrays("g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Relu(x) }", "x")
        assert max(a.size for a in free) < 100_000
        assert arrays("g (float[1, 3, 1100, 1100] x) => (float[1, 3, 1100, 1100] y) { y = Relu(x) }", "x")

    def test_recurrent_kernels_are_not_given_a_batch_without_rows(self):
        text = """g (float[S, N, 2] x) => (float[S, 1, N, 1] y) <
            float[1, 4, 2] w = {1, 1, 1, 1, 1, 1, 1, 1}, float[1, 4, 1] r = {1, 1, 1, 1}> {
            y, h, c = LSTM <hidden_size = 1> (x, w, r) }"""
        assert all(a.size for a in arrays(text, "x"))


class TestValues:
    def test_the_range_of_floats_is_covered(self):
        values = arrays("g (float[N, 40] x) => (float[N, 40] y) { y = Relu(x) }", "x")
        assert np.isfinite(values[0]).all()
        assert any(np.isnan(a).any() and np.isposinf(a).any() and np.isneginf(a).any() for a in values)
        assert any(np.abs(a).max(initial=0) > 1000 and np.isfinite(a).all() for a in values)
        assert any(((a == 0) & np.signbit(a)).any() for a in values)
        assert any(((a != 0) & (np.abs(a) < np.finfo(np.float32).tiny)).any() for a in values)

    def test_not_a_number_leaves_other_rows_alone(self):
        odd = next(
            a
            for a in arrays("g (float[N, 40] x) => (float[N, 40] y) { y = Relu(x) }", "x")
            if np.isnan(a).any()
        )
        assert np.isfinite(odd[0]).all()

    def test_indices_stay_in_the_table_through_casts_and_shapes(self):
        text = """g (int64[N, S] ids) => (float[N, S, 1, 2] y) <float[3, 2] table = {1, 2, 3, 4, 5, 6}> {
            small = Cast <to = 6> (ids)
            axis = Constant <value_ints = [-1]> ()
            wide = Unsqueeze(small, axis)
            y = Gather(table, wide)
        }"""
        values = arrays(text, "ids")
        assert {int(v) for a in values for v in a.ravel()} == {-3, -2, -1, 0, 1, 2}
        assert values[0].min() >= 0

    def test_masks_pad_ends_and_never_whole_rows(self):
        text = """g (int64[N, S] mask) => (float[N, S] y) { y = Cast <to = 1> (mask) }"""
        masks = [a for a in arrays(text, "mask") if a.size]
        assert set(np.unique(masks[0])) == {0, 1}
        for mask in masks:
            assert (np.diff(mask, axis=1) <= 0).all()
            assert mask[:, 0].all()

    def test_both_branches_of_a_compared_constant_run(self):
        text = """g (int64 rate, float[N] x) => (float[N] y) {
            fast = Constant <value_int = 16000> ()
            same = Equal(rate, fast)
            y = If (same) <
                then_branch = t () => (float[N] a) { a = Neg(x) },
                else_branch = e () => (float[N] b) { b = Abs(x) }>
        }"""
        rates = [int(a) for a in arrays(text, "rate")]
        assert rates[:2] == [16000, 16001]
        assert "rate 16000" in found(text).probes[0].name

    def test_conditions_go_both_ways(self):
        text = """g (bool way, float[N] x) => (float[N] y) { y = If (way) <
            then_branch = t () => (float[N] a) { a = Neg(x) },
                else_branch = e () => (float[N] b) { b = Abs(x) }> }"""
        assert {bool(a) for a in arrays(text, "way")} == {True, False}

    def test_loops_run_a_few_times(self):
        text = """g (int64 trips, float[2] x) => (float[2] y) {
            go = Constant <value = bool {1}> ()
            y = Loop (trips, go, x) <body = b (int64 i, bool c, float[2] v) => (bool k, float[2] w) {
                k = Identity(c) w = Add(v, v) }> }"""
        assert {int(a) for a in arrays(text, "trips")} == {1, 2, 3}

    def test_divisors_are_never_zero(self):
        values = arrays("g (int64[N] a, int64[N] b) => (int64[N] y) { y = Div(a, b) }", "b")
        assert values
        assert all((a != 0).all() for a in values)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("g (float[N, 6] x, int64[2] to) => (float[?, ?] y) { y = Reshape(x, to) }", "to"),
            ("g (float[1, 6] x, int64[3] to) => (float[?, ?, ?] y) { y = Expand(x, to) }", "to"),
            (
                "g (float[4, 6] x, int64[2] parts) => (float[?, 6] y, float[?, 6] z)"
                " { y, z = Split(x, parts) }",
                "parts",
            ),
            ("g (float[4, 6] x, int64[1] k) => (float[?, ?] y, int64[?, ?] i) { y, i = TopK(x, k) }", "k"),
            ("g (float[4, 6] x, int64[2] times) => (float[?, ?] y) { y = Tile(x, times) }", "times"),
            ("g (float[4, 6] x, int64[2] axes) => (float[?, ?] y) { y = ReduceSum(x, axes) }", "axes"),
            ("g (int64[3] dims) => (float[?, ?, ?] y) { y = ConstantOfShape(dims) }", "dims"),
            ("g (int64 a, int64 b, int64 c) => (int64[?] y) { y = Range(a, b, c) }", "c"),
            ("g (float[4, 6] x, int64[2] a, int64[2] b) => (float[?, ?] y) { y = Slice(x, a, b) }", "a"),
            ("g (float[1, 2, 4, 6] x, float[4] s) => (float[?, ?, ?, ?] y) { y = Resize(x, , s) }", "s"),
        ],
    )
    def test_sizes_that_are_fed_are_legal(self, text, name):
        assert arrays(text, name)

    @pytest.mark.parametrize(
        "kind", ["float16", "double", "bfloat16", "uint8", "int8", "bool", "string", "int32"]
    )
    def test_every_element_type_is_fed(self, kind):
        values = arrays(f"g ({kind}[N, 7] x) => ({kind}[N, 7] y) {{ y = Identity(x) }}", "x")
        assert len(values) == probes.MOST
        assert len({a.tobytes() for a in values if a.size}) > 1

    def test_texts_that_are_parsed_are_numbers(self):
        assert arrays("g (string[N] x) => (float[N] y) { y = Cast <to = 1> (x) }", "x")


class TestSearch:
    def test_the_same_search_gives_the_same_probes(self):
        text = "g (float[N, 3] x, int64[N] i) => (float[N, 3] y) { y = Gather(x, i) }"
        first, second = found(text).probes, found(text).probes
        assert [p.name for p in first] == [p.name for p in second]
        for a, b in zip(first, second, strict=True):
            assert all(a.feeds[n].tobytes() == b.feeds[n].tobytes() for n in a.feeds)

    def test_another_seed_gives_other_numbers(self):
        text = "g (float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }"
        assert arrays(text, "x")[0].tobytes() != arrays(text, "x", seed=1)[0].tobytes()

    def test_samples_come_first_and_leave_room_for_the_rest(self):
        samples = [{"x": np.full((1, 3), i, np.float32)} for i in range(9)]
        probes = found("g (float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }", samples=samples).probes
        assert [p.name for p in probes[:4]] == ["sample 1", "sample 2", "sample 3", "batch 2, normal"]
        assert probes[0].axes == {"x": 0}

    def test_samples_that_the_source_refuses_are_dropped(self):
        probes = found("g (float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }",
                       samples=[{"x": np.zeros((1, 4), np.float32)}]).probes  # fmt: skip
        assert probes[0].name == "batch 2, normal"

    def test_a_source_that_refuses_everything_says_why_and_is_asked_a_bounded_number_of_times(self):
        asked = []

        def refuse(feeds):
            asked.append(feeds)
            raise RuntimeError("out of cheese")

        net = model("g (int64[A, B, C, D] x) => (int64[A, B, C, D] y) { y = Identity(x) }")
        search = search_probes(net, refuse)
        assert search.probes == ()
        assert search.reason == "the source refused every probe: out of cheese"
        assert 0 < len(asked) <= probe_hunt.MAX_TRIES

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("g (seq(float[N]) x) => (int64 y) { y = SequenceLength(x) }", "input 'x' is a sequence"),
            ("g (complex64[N] x) => (complex64[N] y) { y = Identity(x) }", "element type COMPLEX64"),
        ],
    )
    def test_what_cannot_be_made_up_is_told(self, text, reason):
        search = search_probes(model(text), lambda feeds: feeds)
        assert search.probes == ()
        assert reason in search.reason

    def test_no_more_probes_than_are_wanted_where_samples_are_enough(self):
        net = model("g (float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }")
        search = search_probes(net, lambda feeds: feeds, samples=[{"x": np.ones((1, 3), np.float32)}], most=1)
        assert [probe.name for probe in search.probes] == ["sample 1"]
        assert not search.reason

    def test_fewer_probes_where_fewer_are_wanted(self):
        net = model("g (float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }")
        assert len(search_probes(net, lambda feeds: feeds, most=1).probes) == 1

    def test_inputs_with_defaults_are_left_to_them(self):
        net = model("g (float[N] x) => (float[N] y) <float one = {1}> { y = Add(x, one) }")
        net.graph.inputs.append(net.graph.initializers["one"])
        assert [one.name for one in Signature.of(net, 2).inputs] == ["x"]

    def test_an_input_that_declares_no_rank_is_tried_in_several(self):
        net = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
        net.graph.inputs[0].shape = None

        def run(feeds):
            if feeds["x"].ndim != 3:
                raise ValueError("rank")
            return feeds

        assert {p.feeds["x"].ndim for p in search_probes(net, run).probes} == {3}


class TestParts:
    def test_uses_are_followed_into_subgraphs_and_stop_where_numbers_begin(self):
        net = model("""g (int64[N] i, float[N] x, bool c) => (float[N] y) { y = If (c) <
            then_branch = t () => (float[N] a) { a = Gather(x, i) },
            else_branch = e () => (float[N] b) { b = Cast <to = 1> (i) }> }""")
        assert {use.role.value for use in uses(net, net.graph.inputs[0])} == {"index", "mask"}

    @pytest.mark.parametrize(
        "kind", [np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float4_e2m1fn]
    )
    @pytest.mark.parametrize("style", list(Style))
    def test_every_style_fits_every_type(self, style, kind):
        made = drawn(style, (2, 64), np.dtype(kind), np.random.default_rng(0))
        assert made.dtype == kind
        wide = made.astype(np.float64)
        assert style is Style.NONFINITE or np.isfinite(wide).all()

    def test_special_values_never_take_more_than_half(self):
        ones = np.ones(10, np.float32)
        made = scattered(ones, finite_extremes(ones.dtype), np.random.default_rng(0))
        assert 0 < np.count_nonzero(made != 1) <= 5
        assert scattered(np.ones(1, np.float32), finite_extremes(ones.dtype), np.random.default_rng(0)) == 1
