"""Perturbed runs as one batch give what they give one by one, where rows do not know of each other."""

import numpy as np
import onnx_ir as ir
import pytest

from burnish_optimizer.reference import fp64
from burnish_optimizer.reference.fp64_run import Mode, Run
from support.regions import normal, region

IMAGE = "(float[N,6,5,5] x) => (float[A,B,C,D] y)"
TOKENS = "(float[N,4,8] x) => (float[A,B,C] y)"
PAIR = "(float[N,4,8] x, float[N,4,8] z) => (float[A,B,C] y)"


def weight(name, *shape, low=0.5):
    """A Constant node."""
    values = ", ".join(f"{low + 0.01 * (n % 50):.2f}" for n in range(int(np.prod(shape))))
    return f"{name} = Constant<value = float[{', '.join(map(str, shape))}] {{{values}}}>() "


CONV = weight("w", 6, 1, 3, 3) + "c = Conv<group = 6, pads = [1, 1, 1, 1]>(x, w) "
NORM = "".join(weight(name, 6) for name in "sbmv") + "n = BatchNormalization(c, s, b, m, v) "
TOGETHER = {
    "convolution, normalization, activation": (IMAGE, CONV + NORM + "h = HardSigmoid(n) y = Mul(n, h)"),
    "pooling": (IMAGE, "p = AveragePool<kernel_shape = [2, 2]>(x) y = Exp(p)"),
    "a constant with a row": (IMAGE, weight("k", 1, 6, 1, 1) + "y = Mul(x, k)"),
    "product with weights": (TOKENS, weight("w", 8, 8) + "m = MatMul(x, w) y = Gelu(m)"),
    "product of rows": (
        PAIR, "t = Transpose<perm = [0, 2, 1]>(z) m = MatMul(x, t) s = Softmax(m) y = MatMul(s, z)"),
    "normalization": (TOKENS, weight("s", 8) + "y = LayerNormalization(x, s)"),
    "mean of each row": (TOKENS, "a = Constant<value_ints = [-1]>() m = ReduceMean(x, a) y = Sub(x, m)"),
    "side by side": (PAIR, "c = Concat<axis = 1>(x, z) y = Tanh(c)"),
}  # fmt: skip
APART = {
    "softmax over rows": (TOKENS, "y = Softmax<axis = 0>(x)"),
    "mean over rows": (TOKENS, "a = Constant<value_ints = [0]>() m = ReduceMean(x, a) y = Sub(x, m)"),
    "rows one after the other": (PAIR, "c = Concat<axis = 0>(x, z) y = Tanh(c)"),
    "a constant for every row": (TOKENS, weight("k", 3, 1, 1) + "y = Mul(x, k)"),
    "constants that round": (TOKENS, weight("k", 8) + "e = Exp(k) y = Mul(x, e)"),
    "another first axis": (TOKENS, "t = Transpose<perm = [1, 0, 2]>(x) y = Exp(t)"),
}


def evaluated(signature, body, monkeypatch, *, stacked):
    modes = []
    main = Run.main
    monkeypatch.setattr(Run, "main", lambda self, feeds: (modes.append(self.mode), main(self, feeds))[1])
    if not stacked:
        monkeypatch.setattr(fp64, "_rows", lambda feeds: None)
    model = region(body, signature)
    shape = (3, 6, 5, 5) if signature is IMAGE else (3, 4, 8)
    feeds = {value.name: normal(n, *shape) for n, value in enumerate(model.graph.input)}
    return fp64.evaluate(ir.from_proto(model), feeds)["y"], modes


@pytest.mark.parametrize("name", TOGETHER)
def test_the_bound_is_the_same_from_one_run_of_all(name, monkeypatch):
    with monkeypatch.context() as patched:
        together, modes = evaluated(*TOGETHER[name], patched, stacked=True)
    with monkeypatch.context() as patched:
        apart, others = evaluated(*TOGETHER[name], patched, stacked=False)
    assert modes == [Mode.TRUTH, Mode.STORED, Mode.STACKED]
    assert len(others) == 10
    np.testing.assert_array_equal(together.value, apart.value)
    np.testing.assert_allclose(together.error, apart.error, rtol=1e-6)
    assert together.error.max() > 0


@pytest.mark.parametrize("name", APART)
def test_rows_that_know_of_each_other_are_run_apart(name, monkeypatch):
    _, modes = evaluated(*APART[name], monkeypatch, stacked=True)
    assert Mode.STACKED not in modes
