"""The bound of rounding holds for ONNX Runtime's answers on random chains of operators, and is no wider."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from burnish_optimizer.gates.rounding import disagreement
from support.regions import answers, normal, region, truths

STEPS = [
    "{y} = Add({x}, c)", "{y} = Sub(c, {x})", "{y} = Mul({x}, c)", "{y} = MatMul({x}, w)", "{y} = Tanh({x})",
    "{y} = Sigmoid({x})", "{y} = Relu({x})", "{y} = Softmax({x})", "{y} = Erf({x})", "{y} = LeakyRelu({x})",
    "m{y} = ReduceMean({x}, n)  {y} = Sub({x}, m{y})", "s{y} = Mul({x}, {x})  {y} = Add(s{y}, {x})",
    "{y} = LayerNormalization({x}, c)",
]  # fmt: skip
SIGNATURE = "(float[N,32] x, float[32] c, float[32,32] w) => (float[N,32] y)"
CHAINS = st.lists(st.sampled_from(STEPS), min_size=1, max_size=6)


def chain(steps):
    """A region of these steps, one after the other."""
    names = ["x", *(f"v{i}" for i in range(len(steps) - 1)), "y"]
    body = [step.format(x=names[i], y=names[i + 1]) for i, step in enumerate(steps)]
    return region("  ".join(["n = Constant<value_ints = [-1]>()", *body]), SIGNATURE)


@example(steps=[STEPS[2], *[STEPS[11]] * 3], scale=1e4, seed=0)
@settings(max_examples=40)
@given(steps=CHAINS, scale=st.sampled_from([1e-6, 1e-3, 1.0, 10.0, 1e4]), seed=st.integers(0, 1000))
def test_rounding_is_within_the_bound_and_a_little_more_is_not(steps, scale, seed):
    model = chain(steps)
    feeds = {"x": normal(seed, 20, 32, scale=scale), "c": normal(seed + 1, 32), "w": normal(seed + 2, 32, 32)}
    truth = truths(model, feeds)["y"]
    with np.errstate(over="ignore"):  # squares of squares leave float32, and nothing is known of those
        ideal = truth.value.astype(np.float32)
        off = (truth.value + 4 * np.maximum(truth.error, np.finfo(np.float32).tiny)).astype(np.float32)
    assert disagreement(answers(model, feeds)["y"], ideal, truth) is None
    if np.isfinite(truth.error).any():
        assert disagreement(off, ideal, truth)


@pytest.mark.parametrize("step", STEPS)
def test_one_step_stays_below_a_hundred_roundings(step):
    """Of the scale of the row: the bound is of use."""
    model = chain([step])
    feeds = {"x": normal(0, 20, 32), "c": normal(1, 32), "w": normal(2, 32, 32)}
    truth = truths(model, feeds)["y"]
    assert np.max(truth.error) <= 100 * 2**-24 * np.max(np.abs(truth.value))
