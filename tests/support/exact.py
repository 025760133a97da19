"""Small models as text, rewritten, and run beside themselves on values that break what is nearly right."""

import re
from collections import Counter
from itertools import product

import numpy as np
import onnx
import onnx_ir as ir

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.targets.kernels import PORTABLE

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 0.5, -0.5, 1.5, 2.5, 6.5, 1e30, -7.0]
SIZES = (3, 1, 0)
ROUNDS = 4


def parse(signature, body, opset=20, ir_version=9):
    """A model from ONNX's text format: `signature` is "(float[N] x) => (float[N] y) <constants>"."""
    head = f'<ir_version: {ir_version}, opset_import: ["" : {opset}]>'
    proto = onnx.parser.parse_model(f"{head} g {signature} {{ {body} }}")
    onnx.checker.check_model(proto)
    return proto


def inside(signature, body):
    """The same with its output read by one more node: a rule may then put an input in the output's place."""

    def renamed(found):
        kind, dims = found.groups()
        return f"=> ({kind}[{','.join(f'O{i}' for i in range(dims.count(',') + 1))}] out)"

    changed, count = re.subn(r"=> \((\w+)\[(.*?)\] y\)", renamed, signature)
    assert count == 1, signature
    return changed, f"{body} out = Concat<axis = 0>(y, y)"


def rewritten(proto, passes, excluded=frozenset()):
    """The model after the passes, again and again until nothing changes; its changes and refusals."""
    model = ir.from_proto(proto)
    changes, declined = [], Counter()
    for _ in range(ROUNDS):
        before = len(changes)
        for one in passes:
            scope = Scope(PORTABLE, excluded=frozenset(excluded))
            if not one.requires(model, scope):
                changes += one.apply(model, scope)
            declined += scope.declined
        if len(changes) == before:
            break
    return ir.to_proto(model), changes, declined


def operators(proto):
    """Op type → how often, subgraphs included."""
    return Counter(n.op_type for n in ir.traversal.RecursiveGraphIterator(ir.from_proto(proto).graph))


def feeds(proto, seed=0):
    """Inputs of each size of its symbols, with NaN, infinities, both zeros and denormals among them."""
    listed = {t.name for t in proto.graph.initializer}
    inputs = [v for v in proto.graph.input if v.name not in listed]
    symbols = sorted({d.dim_param for v in inputs for d in v.type.tensor_type.shape.dim if d.dim_param})
    for number, sizes in enumerate(product(SIZES, repeat=len(symbols))):
        known = dict(zip(symbols, sizes, strict=True))
        random = np.random.default_rng(seed + number)
        yield {v.name: _values(v.type.tensor_type, known, random) for v in inputs}


def _values(kind, known, random):
    shape = [known[d.dim_param] if d.dim_param else d.dim_value for d in kind.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if dtype == np.bool_:
        return random.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -100
        return random.integers(low, 100, shape).astype(dtype)
    with np.errstate(over="ignore"):
        return random.choice(np.array(SPECIAL), shape).astype(dtype)


def differences(one, other):
    """Outputs that differ in a bit (NaN is NaN), on all feeds that the first model can be run on."""
    first, second = Executable(one), Executable(other)
    found, runs = [], 0
    for given in feeds(one):
        try:
            expected = first.run(given)
        except Exception:  # noqa: BLE001 - sizes that the model itself refuses prove nothing
            continue
        runs += 1
        result = second.run(given)
        found += [(name, given) for name in expected if not equal(expected[name], result[name])]
    assert runs, "the model ran on no input"
    return found


def equal(one, other):
    """The same type, shape and bits, but for the payload of NaN."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return one.tobytes() == other.tobytes() if one.dtype.kind != "O" else bool((one == other).all())
    nan = np.isnan(one)
    return bool((nan == np.isnan(other)).all()) and one[~nan].tobytes() == other[~nan].tobytes()


def check(proto, passes, **expected):
    """Rewrite, run both, and count operators: `check(m, CLEANUP, Relu=1)` means one Relu and nothing else."""
    result, _, declined = rewritten(proto, passes)
    onnx.checker.check_model(result, full_check=True)
    assert [v.name for v in result.graph.output] == [v.name for v in proto.graph.output]
    assert differences(proto, result) == []
    assert operators(result) == Counter(expected), onnx.printer.to_text(result)
    return result, declined
