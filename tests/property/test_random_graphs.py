"""Random models, rewritten: still valid, the same signature, the same answers on inputs that no gate saw.

200 of them here; `BURNISH_RANDOM_GRAPHS=10000` (`make test-long`) tries as many. A failure shrinks to a
minimal model, which is left as ONNX text and as a file.
"""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnx_ir as ir
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from burnish_engine.report import Guarantee
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.rounding import disagreement
from burnish_optimizer.passes.catalogue import PASSES
from burnish_optimizer.passes.pipeline import rewrite
from burnish_optimizer.reference.fp64 import evaluate
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, PORTABLE
from support.random_graph_blocks import ALL_EXACT, ALL_SMOOTH
from support.random_graphs import SIZES, models

EXAMPLES = int(os.environ.get("BURNISH_RANDOM_GRAPHS", "200"))
LEFT = Path(os.environ.get("BURNISH_RANDOM_GRAPHS_FOLDER", Path(tempfile.gettempdir()) / "burnish-graphs"))
FRESH = 4242
EXACT = tuple(one for one in PASSES if one.guarantee is Guarantee.EXACT)
SIZED = st.fixed_dictionaries({name: st.sampled_from(sizes) for name, sizes in SIZES.items()})
TARGETS = st.sampled_from([PORTABLE, ONNXRUNTIME_CPU])
RANDOM = settings(
    max_examples=EXAMPLES // 2,
    suppress_health_check=list(HealthCheck),
)


def runnable(drawn, sizes):
    """The source as ONNX Runtime runs it, and its answers on fresh inputs of these sizes."""
    try:
        onnx.checker.check_model(drawn.model)
        source = Executable(drawn.model)
        return [(feeds, source.run(feeds)) for feeds in (drawn.feeds(FRESH + i, sizes) for i in range(2))]
    except Exception as error:  # noqa: BLE001 - what the source itself cannot run is no test of rewriting
        note(f"the source does not run: {str(error)[:300]}")
        return None


@contextmanager
def left_behind(drawn, name):
    """Should what follows fail, the source is left as text and as a file: the last one is the smallest."""
    try:
        yield
    except Exception:
        LEFT.mkdir(parents=True, exist_ok=True)
        (LEFT / f"{name}.txt").write_text(onnx.printer.to_text(drawn.model))
        onnx.save(drawn.model, LEFT / f"{name}.onnx")
        note(f"the model is in {LEFT}/{name}.txt and {name}.onnx")
        raise


def rewritten(drawn, target, passes):
    """The proved model: valid, and of the same signature."""
    done = rewrite(ir.from_proto(drawn.model), target, passes)
    note("; ".join(f"{p.name}: {p.reason}" for p in done.passes if p.applied or p.rolled_back))
    after = ir.to_proto(done.model)
    onnx.checker.check_model(after)
    for old, new in zip(signature(drawn.model), signature(after), strict=True):
        assert old == new
    return Executable(after)


def signature(model):
    """Names and element types of all that goes in and out."""
    return [
        (value.name, value.type.tensor_type.elem_type) for value in (*model.graph.input, *model.graph.output)
    ]


@RANDOM
@given(models(ALL_EXACT), SIZED, TARGETS)
def test_exact_passes_change_no_bit(drawn, sizes, target):
    answers = runnable(drawn, sizes)
    assume(answers is not None)
    with left_behind(drawn, "exact"):
        found = rewritten(drawn, target, EXACT)
        for feeds, expected in answers:
            given_back = found.run(feeds)
            for name, value in expected.items():
                assert difference(given_back[name], value) is None, name


@RANDOM
@given(models(ALL_SMOOTH, kinds=("float32",)), SIZED, TARGETS)
def test_all_passes_stay_within_rounding(drawn, sizes, target):
    answers = runnable(drawn, sizes)
    assume(answers is not None)
    with left_behind(drawn, "rounding"):
        found = rewritten(drawn, target, PASSES)
        for feeds, expected in answers:
            given_back = found.run(feeds)
            truth = evaluate(ir.from_proto(drawn.model), feeds)
            for name, value in expected.items():
                assert disagreement(given_back[name], value, truth[name]) is None, name
