"""Rotary embedding becomes one operator; its tables are made once for all that use them."""

from collections import Counter

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_ir.passes.common import ShapeInferencePass

from burnish_optimizer.passes.attention import ATTENTION
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, PORTABLE, RewriteTarget

SIZE, HALF = 8, 4
TABLES = """
    ids = Unsqueeze(positions, one)  whole = Cast<to = 1>(ids)
    angles = MatMul(frequencies, whole)  turned = Transpose<perm = [0, 2, 1]>(angles)
    both = Concat<axis = -1>(turned, turned)
    cos3 = Cos(both)  cos = Unsqueeze(cos3, one)  sin3 = Sin(both)  sin = Unsqueeze(sin3, one)
"""
TURN = """
    {x}a = Slice({x}, zero, four, three)  {x}b = Slice({x}, four, eight, three)  {x}n = Neg({x}b)
    {x}r = Concat<axis = 3>({x}n, {x}a)
    {x}c = Mul({x}, cos)  {x}s = Mul({x}r, sin)  {x}y = Add({x}c, {x}s)
"""


def model(change: tuple[str, str] = ("", ""), batch: str = "b") -> onnx.ModelProto:
    """Two values turned by the same positions."""
    text = f"""g (float[b, 3, s, {SIZE}] q, float[b, 3, s, {SIZE}] k, int64[{batch}, s] positions)
        => (float[b, 3, s, {SIZE}] qy, float[b, 3, s, {SIZE}] ky) {{
        {TABLES} {TURN.format(x="q")} {TURN.format(x="k")} }}""".replace(*change)
    made = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>\n{text}')
    constants = {"zero": 0, "one": 1, "three": 3, "four": HALF, "eight": 1 << 62}
    arrays = {name: np.array([number]) for name, number in constants.items()}
    arrays["frequencies"] = np.array([1.0, 0.5, 0.25, 0.1], np.float32).reshape(1, HALF, 1)
    made.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    return made


def rewritten(source: onnx.ModelProto, target: RewriteTarget = ONNXRUNTIME_CPU) -> tuple[ir.Model, Scope]:
    found = ShapeInferencePass()(ir.from_proto(source)).model
    scope = Scope(target)
    ATTENTION[0].apply(found, scope)
    return found, scope


def ops(found: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in found.graph)


def run(found: onnx.ModelProto, feeds: dict[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return list(onnxruntime.InferenceSession(found.SerializeToString(), options).run(None, feeds))


def feeds(batch: int, rows: int, *, positions: int | None = None) -> dict[str, NDArray[np.generic]]:
    random = np.random.default_rng(3)
    x = random.standard_normal((2, batch, 3, rows, SIZE)).astype(np.float32)
    held = batch if positions is None else positions
    return {"q": x[0], "k": x[1], "positions": random.integers(0, 50, (held, rows))}


@pytest.mark.parametrize("sizes", [(1, 1), (1, 6), (3, 5), (0, 5)])
def test_positions_of_every_batch_row_are_kept(sizes: tuple[int, int]) -> None:
    source = model()
    found, _ = rewritten(source)
    assert ops(found)["RotaryEmbedding"] == 2
    given = feeds(*sizes)
    for before, after in zip(run(source, given), run(ir.to_proto(found), given), strict=True):
        assert after == pytest.approx(before, abs=1e-6)


def test_other_positions_give_other_answers() -> None:
    given = feeds(2, 5)
    found = ir.to_proto(rewritten(model())[0])
    moved = {**given, "positions": np.asarray(given["positions"])[::-1]}
    assert np.abs(run(found, given)[0] - run(found, moved)[0]).max() > 1e-2


def test_tables_are_made_once() -> None:
    found, _ = rewritten(model())
    assert ops(found)["Range"] == 1
    assert ops(found)["Slice"] == 2
    assert not {"Neg", "Add"} & set(ops(found))


def test_positions_for_all_batch_rows_need_no_range() -> None:
    source = model(batch="1")
    found, _ = rewritten(source)
    assert ops(found)["RotaryEmbedding"] == 2
    assert ops(found)["Range"] == 0
    given = feeds(3, 5, positions=1)
    assert run(ir.to_proto(found), given)[0] == pytest.approx(run(source, given)[0], abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        ("both = Concat<axis = -1>(turned, turned)", "m = Neg(turned) both = Concat<axis = -1>(turned, m)"),
        ("qr = Concat<axis = 3>(qn, qa)", "qr = Concat<axis = 3>(qa, qn)"),
        ("qa = Slice(q, zero, four, three)", "qa = Slice(q, zero, three, three)"),
        ("qn = Neg(qb)", "qn = Identity(qb)"),
    ],
)
def test_near_matches_are_left_alone(change: tuple[str, str]) -> None:
    found, _ = rewritten(model(change))
    assert ops(found)["RotaryEmbedding"] < 2


def test_a_batch_that_cannot_be_shown_is_left_alone_and_said_so() -> None:
    found, scope = rewritten(model(batch="other"))
    assert ops(found)["RotaryEmbedding"] == 0
    assert any("batch" in reason for _, reason in scope.declined)


def test_portable_models_are_left_alone() -> None:
    assert ops(rewritten(model(), PORTABLE)[0])["RotaryEmbedding"] == 0
