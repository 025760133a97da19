"""Passes: kept where byte-equal, rolled back with the evidence where not."""

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.cleanup import RemoveIdentity, RemoveUnused
from burnish_optimizer.passes.pipeline import apply_passes, byte_gate, run_passes
from burnish_optimizer.reference.answers import write_answers
from burnish_optimizer.tasks import AnswersTask, PassesTask
from support import optimizer_nets as nets


class Bad:
    """A pass with one line wrong."""

    guarantee = Guarantee.EXACT

    def __init__(self, name, harm):
        self.name, self.harm = name, harm

    def apply(self, model):
        self.harm(model)
        return 1


def drop_relu(model):
    node = next(n for n in model.graph if n.op_type == "Relu")
    ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
    model.graph.remove(node, safe=True)


def nudge_bias(model):
    value = model.graph.initializers["last_b"]
    value.const_value = ir.tensor(np.nextafter(value.const_value.numpy(), np.float32(9)), name="last_b")


def give_up(model):
    raise KeyError("shape")


def task_for(tmp_path):
    source = nets.save_net(tmp_path / "net.onnx", identities=3)
    data = nets.data(nets.save_samples(tmp_path / "set.npz", count=5))
    answers = str(tmp_path / "answers")
    write_answers(AnswersTask(model=str(source), folder=answers, data=data, threads=1))
    folder = str(tmp_path / "passes")
    return PassesTask(model=str(source), folder=folder, answers=answers, data=data, threads=1)


def operators(path):
    return [node.op_type for node in onnx.load(path).graph.node]


def test_clean_up_is_kept_and_removes_what_it_says(tmp_path):
    result = run_passes(task_for(tmp_path))
    assert [(p.name, p.applied) for p in result.passes] == [
        ("remove-identity", True),
        ("remove-unused", True),
    ]
    assert "Identity" not in operators(result.model)
    assert "never_used" not in [t.name for t in onnx.load(result.model).graph.initializer]
    assert all(gate.passed for p in result.passes for gate in p.gates)


def test_wrong_passes_are_rolled_back_and_the_rest_goes_on(tmp_path):
    task = task_for(tmp_path)
    passes = [Bad("drop-relu", drop_relu), Bad("nudge", nudge_bias), Bad("raise", give_up), RemoveIdentity()]
    result = apply_passes(
        tmp_path / "net.onnx", tmp_path / "passes", passes, lambda model: byte_gate(model, task)
    )
    assert [p.applied for p in result.passes] == [False, False, False, True]
    assert "5 of 5" not in result.passes[0].reason
    assert "4 of 4 samples differ" in result.passes[0].reason
    assert "KeyError" in result.passes[2].reason
    assert operators(result.model).count("Relu") == 2


def test_a_pass_with_nothing_to_do_says_so(tmp_path):
    task = task_for(tmp_path)
    result = apply_passes(
        tmp_path / "net.onnx",
        tmp_path / "passes",
        [RemoveUnused(), RemoveUnused()],
        lambda model: byte_gate(model, task),
    )
    assert result.passes[1].reason == "nothing to do"
