"""Passes: kept where they hold, undone site by site where not, left out where they kill their process."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_engine.report import Guarantee
from burnish_optimizer import rewriting
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.passes.catalogue import PASSES
from burnish_optimizer.passes.irpass import ModelPass
from burnish_optimizer.passes.options import Options
from burnish_optimizer.passes.pipeline import rewrite
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewriting import RewriteJob, rewrite_file
from burnish_optimizer.targets.kernels import PORTABLE
from support import optimizer_nets as nets
from support.rewrite_workers import KILLER, KilledAtOnce, KilledInPass

THREE_RELUS = """
<ir_version: 9, opset_import: ["" : 17]>
net (float[N, 4] x) => (float[N, 4] y)
{
   a = Relu(x)
   b = Relu(a)
   c = Neg(b)
   y = Relu(c)
}
"""


class DropRelu:
    """Relu(x) → x: right for the second of two, wrong for the others."""

    name, anchors = "drop-relu", frozenset({"Relu"})

    def match(self, node, scope):
        return Replacement([node.outputs[0]], [node.inputs[0]])


def drop_relus(guarantee=Guarantee.EXACT):
    return RulePass("drop-relus", guarantee, "Relu(x) → x", (DropRelu(),))


def raising(error):
    def run(model, scope):
        raise error

    return ModelPass("raise", Guarantee.EXACT, "f → an exception", run)


def forget_the_signature(model, scope):
    model.graph.outputs[0].name = "renamed"
    return drop_relus().apply(model, scope)


def model_of(text):
    return ir.from_proto(onnx.parser.parse_model(text))


def ops(model):
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize("guarantee", [Guarantee.EXACT, Guarantee.ROUNDING])
def test_what_holds_is_kept_and_what_does_not_is_undone_site_by_site(guarantee):
    source = model_of(THREE_RELUS)
    done = rewrite(source, PORTABLE, [drop_relus(guarantee)])
    assert ops(done.model) == ["Relu", "Neg", "Relu"], done.passes
    report = done.passes[0]
    assert report.applied
    assert {r.site for r in report.rolled_back} == {"b", "y"}, "one of two Relus may go, not both"
    assert all(r.evidence for r in report.rolled_back)
    assert (report.nodes_before, report.nodes_after) == (4, 3)
    assert all(gate.passed for gate in done.gates)
    assert ops(source) == ["Relu", "Relu", "Neg", "Relu"], "the source is never changed"


@pytest.mark.parametrize("error", [KeyError("shape"), Declined("not here"), RecursionError("deep")])
def test_a_pass_that_raises_changes_nothing_and_the_next_one_runs(error):
    done = rewrite(model_of(THREE_RELUS), PORTABLE, [raising(error), drop_relus()])
    assert [p.applied for p in done.passes] == [False, True]
    assert str(error.args[0]) in done.passes[0].reason


def test_a_changed_signature_is_rolled_back_as_a_whole():
    broken = ModelPass("rename", Guarantee.EXACT, "y → renamed", forget_the_signature)
    done = rewrite(model_of(THREE_RELUS), PORTABLE, [broken])
    assert not done.passes[0].applied
    assert "renamed" in done.passes[0].reason
    assert ops(done.model) == ["Relu", "Relu", "Neg", "Relu"]


def test_a_source_that_does_not_run_comes_back_as_it_is():
    source = model_of(
        THREE_RELUS.replace("Neg(b)", "strange.Neg(b)").replace('"" : 17', '"" : 17, "strange" : 1')
    )
    done = rewrite(source, PORTABLE)
    assert done.model is source
    assert "strange" in done.unproven


def test_passes_that_are_skipped_say_why():
    done = rewrite(
        model_of(THREE_RELUS), PORTABLE, [drop_relus()], Options(skip={"drop-relus": "it crashed"})
    )
    assert (done.passes[0].applied, done.passes[0].reason) == (False, "it crashed")


def test_names_of_passes_are_unique():
    names = [one.name for one in PASSES]
    assert len(names) == len(set(names))


class TestFiles:
    def test_a_pass_that_kills_its_process_is_left_out(self, tmp_path, monkeypatch):
        monkeypatch.setattr(rewriting, "RewriteTask", KilledInPass)
        done = self.rewritten(tmp_path)
        killed = next(p for p in done.report.passes if p.name == KILLER)
        assert not killed.applied
        assert "SIGSEGV" in killed.reason
        assert done.changed
        assert self.answers(done.output) == self.answers(tmp_path / "net.onnx")

    def test_a_process_that_dies_before_any_pass_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr(rewriting, "RewriteTask", KilledAtOnce)
        with pytest.raises(WorkerFailed, match="SIGSEGV"):
            self.rewritten(tmp_path)

    def test_the_report_tells_both_graphs(self, tmp_path):
        report = self.rewritten(tmp_path).report
        assert report.before.ops["Identity"] == 3
        assert "Identity" not in report.after.ops
        assert report.probes
        assert report.gates

    @staticmethod
    def rewritten(tmp_path):
        source = nets.save_net(tmp_path / "net.onnx", identities=3)
        work = tmp_path / "work"
        work.mkdir()
        return rewrite_file(RewriteJob(source=source, output=tmp_path / "out.onnx", work_dir=work))

    @staticmethod
    def answers(path):
        session = Executable(onnx.load(path))
        feeds = {name: np.ones((2, *nets.SHAPE), np.float32) for name in session.inputs}
        found = session.run(feeds)[session.outputs[0]]
        return np.round(found, 4).tolist()


def test_the_file_names_no_dimension_that_inference_made_up(tmp_path):
    body = "a = Identity(x) r = Relu(a) n = NonZero(r) m = Neg(n) y = Abs(m)"
    text = f'<ir_version: 9, opset_import: ["" : 17]> g (float[N,4] x) => (int64[2,Q] y) {{ {body} }}'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")
    (tmp_path / "work").mkdir()
    done = rewrite_file(RewriteJob(tmp_path / "net.onnx", tmp_path / "out.onnx", tmp_path / "work"))
    assert done.changed
    shapes = [v.type.tensor_type.shape.dim for v in onnx.load(done.output).graph.value_info]
    assert shapes
    assert {dim.dim_param for dims in shapes for dim in dims} <= {"", "N"}
