"""One shape is proved by one origin, and never guessed."""

import numpy as np
import onnx_ir as ir
import pytest

from burnish_optimizer.passes.fusion import FUSION_CONTRIB
from burnish_optimizer.rewrite.same_shape import same_shape
from support.fusion import fuse, model_of

WEIGHTS = {"w": np.ones((8, 8), np.float32), "c": np.ones(8, np.float32), "k": np.array([0, 0, 8])}
# What comes of a Reshape by data has dimensions that inference does not know.
HEAD = "(float[A,B,8] u, int64[3] n) => (float[C,D,8] y) {r = Reshape(u, n) x = MatMul(r, w) "


def judged(text: str) -> bool:
    model = ir.from_proto(model_of(HEAD + text + "y = Add(p, q)}", WEIGHTS))
    one, two = next(node for node in model.graph if node.outputs[0].name == "y").inputs
    return same_shape(one, two)


@pytest.mark.parametrize(
    "text",
    [
        "m = MatMul(x, w) p = Add(m, c) q = Identity(x) ",
        "p = LayerNormalization(x, c) m = MatMul(p, w) q = Relu(m) ",
        "p = Sigmoid(x) s = Mul(c, x) q = Tanh(s) ",
    ],
)
def test_one_origin_is_one_shape(text: str) -> None:
    assert judged(text)


@pytest.mark.parametrize(
    "text",
    [
        "p = Relu(x) q = Transpose<perm = [1,0,2]>(x) ",
        "p = Relu(x) q = Relu(u) ",
        "p = Relu(x) v = Reshape(u, n) o = MatMul(v, w) q = Relu(o) ",
        "p = Relu(x) q = Add(x, u) ",
    ],
)
def test_other_origins_are_not(text: str) -> None:
    assert not judged(text)


def test_skip_of_unknown_size_but_one_origin_goes_into_the_normalization() -> None:
    graph = "(float[A,B,8] u, int64[3] n) => (float[C,D,8] y) {r = Reshape(u, n) x = MatMul(r, w) "
    graph += "m = MatMul(x, w) a = Add(m, x) y = LayerNormalization(a, c)}"
    weights = {**WEIGHTS, "w": np.eye(8, dtype=np.float32) * 3}
    found = fuse(model_of(graph, weights), FUSION_CONTRIB)
    assert found.ops["SkipLayerNormalization"] == 1
    feeds = {
        "u": np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32),
        "n": np.array([3, 2, 8]),
    }
    for before, after in zip(*found.outputs(feeds), strict=True):
        np.testing.assert_allclose(after, before, rtol=2e-5, atol=1e-6)
