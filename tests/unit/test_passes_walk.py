"""Passes that run ahead of their verdicts end where passes that wait for them do."""

import gc
import os
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from burnish_engine.report import Guarantee
from burnish_optimizer.gates import trial
from burnish_optimizer.gates.trial import Trial
from burnish_optimizer.passes import sources, worker
from burnish_optimizer.passes.irpass import ModelPass
from burnish_optimizer.passes.options import Options
from burnish_optimizer.passes.pipeline import rewrite
from burnish_optimizer.passes.told import Counted
from burnish_optimizer.passes.walk import Walk
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.targets.kernels import PORTABLE
from support.rewrite_nets import drop, judge_of, parsed

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def _forks_for_little(monkeypatch):
    """These nets are so small that none would be made."""
    monkeypatch.setattr(trial, "FEW_SECONDS", 0.0)


NET = parsed("a = Identity(x) b = Relu(a) c = Relu(b) d = Neg(c) y = Relu(d)")
GOOD = drop("Identity", "identities")
WRONG = drop("Relu", "relus")
LATER = drop("Neg", "negs")


def outcome(passes, judges):
    done = rewrite(NET, PORTABLE, passes, Options(judges=judges))
    reports = [
        (p.name, p.applied, len(p.changes), sorted(r.site for r in p.rolled_back), p.nodes_after)
        for p in done.passes
    ]
    return [node.op_type for node in done.model.graph], reports


@pytest.mark.parametrize("judges", [1, 2, 4])
@pytest.mark.parametrize(
    "passes",
    [[GOOD], [GOOD, WRONG], [WRONG, GOOD], [GOOD, WRONG, LATER, replace(GOOD, name="identities-2")],
     [LATER, WRONG, GOOD], []],
)  # fmt: skip
def test_ahead_or_not_the_same_is_kept(passes, judges):
    assert outcome(passes, judges) == outcome(passes, 0)


@pytest.mark.parametrize("passes", [[GOOD, WRONG, LATER], [GOOD, drop("Ceil", "ceilings")], []])
def test_a_source_that_is_asked_meanwhile_gives_the_same(passes, monkeypatch):
    expected = outcome(passes, 0)
    monkeypatch.setattr(sources, "FEW_NODES", 0)
    assert outcome(passes, 2) == expected


def test_passes_do_not_wait_for_the_source():
    told = []
    net = parsed("a = Identity(x) b = Floor(a) c = Ceil(b) y = Neg(c)")
    judge = judge_of(net, [{"x": np.ones((2, 4), np.float32)}])
    ask = judge.ask

    def asked():
        told.append("asked")
        return ask()

    judge.ask = asked
    passes = [GOOD, rounding(drop("Ceil", "ceilings")), replace(GOOD, name="identities-2")]
    walk = Walk(Counted(net), PORTABLE, judge, lambda _model: None, judges=2, is_ready=lambda: False)
    reports = walk.all(passes, {}, lambda _position, _count, name: told.append(name))
    assert told == ["identities", "ceilings", "identities-2", "asked"]
    assert [r.applied for r in reports] == [True, True, False]
    assert [n.op_type for n in walk.model.graph] == ["Floor", "Neg"]


@pytest.mark.parametrize("judges", [0, 2])
def test_a_source_that_does_not_run_is_told_though_passes_ran_meanwhile(judges, monkeypatch):
    monkeypatch.setattr(sources, "FEW_NODES", 0)
    net = parsed("a = Identity(x) s = Constant<value_ints = [7, 11]>() y = Reshape(a, s)")
    done = rewrite(net, PORTABLE, [GOOD], Options(judges=judges))
    assert "ran on no input" in done.unproven
    assert done.model is net


def test_what_followed_a_pass_that_does_not_hold_is_done_again():
    ops, reports = outcome([WRONG, GOOD], 4)
    assert ops == ["Relu", "Neg", "Relu"]
    assert [name for name, *_ in reports] == ["relus", "identities"]
    assert reports[1][1], "the pass behind is applied to what is left of the one before"


def test_a_verdict_whose_process_dies_takes_the_pass_back(monkeypatch):
    run, here = Trial.run, os.getpid()

    def dying(self, processes=1):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, processes)

    monkeypatch.setattr(Trial, "run", dying)
    done = rewrite(NET, PORTABLE, [WRONG, GOOD], Options(judges=2))
    assert "SIGKILL" in done.passes[0].reason
    assert [p.applied for p in done.passes] == [False, True]
    assert [n.op_type for n in done.model.graph] == ["Relu", "Relu", "Neg", "Relu"]


@dataclass(frozen=True)
class OnSecondTry(RulePass):
    """Raises the first time that it is applied."""

    tries: list[int] = field(default_factory=list)

    def apply(self, model, scope):
        self.tries.append(1)
        if len(self.tries) == 1:
            raise ValueError("not yet")
        return super().apply(model, scope)


def test_what_is_taken_back_leaves_no_snapshot():
    """Whose snapshot is whose tells at which pass the whole model went wrong."""
    second = OnSecondTry(LATER.name, LATER.guarantee, LATER.equation, GOOD.rules)
    feeds = [{"x": np.ones((2, 4), np.float32)}, {"x": -np.ones((2, 4), np.float32)}]
    walk = Walk(Counted(NET), PORTABLE, judge_of(NET, feeds), lambda _model: None, judges=2)
    reports = walk.all([WRONG, second], {}, lambda *_told: None)
    assert [r.applied for r in reports] == [True, True]
    assert [one.name for one, _ in walk.snapshots] == ["relus", "negs"]
    assert [len(model.graph) for _, model in walk.snapshots] == [r.nodes_after for r in reports]


def test_where_no_process_is_to_be_had_passes_are_judged_here(monkeypatch):
    def refused():
        raise BlockingIOError("no more processes")

    gc.collect()  # (what earlier rewritings mapped ends with their models)
    open_files = len(list(OPEN_FILES.iterdir()))
    expected = outcome([GOOD, WRONG], 0)
    monkeypatch.setattr(os, "fork", refused)
    assert outcome([GOOD, WRONG], 2) == expected
    assert len(list(OPEN_FILES.iterdir())) == open_files


def test_exact_passes_in_a_row_are_judged_together_and_say_so():
    net = parsed("a = Identity(x) b = Floor(a) c = Ceil(b) y = Neg(c)")
    done = rewrite(net, PORTABLE, [GOOD, drop("Ceil", "ceilings")], Options(judges=2))
    assert [p.applied for p in done.passes] == [True, True]
    assert [(p.nodes_before, p.nodes_after) for p in done.passes] == [(4, 3), (3, 2)]
    assert all("(identities, ceilings together)" in p.gates[1].found for p in done.passes)


def test_a_pass_that_raises_is_left_out():
    def run(model: ir.Model, scope):
        raise ValueError("broken")

    done = rewrite(
        NET, PORTABLE, [ModelPass("raise", Guarantee.EXACT, "f → !", run), GOOD], Options(judges=2)
    )
    assert "ValueError: broken" in done.passes[0].reason
    assert done.passes[1].applied


def rounding(one):
    return replace(one, guarantee=Guarantee.ROUNDING)


ROUNDED = parsed("a = Identity(x) b = Relu(a) c = Floor(b) d = Identity(c) y = Neg(d)")


@pytest.mark.parametrize("judges", [1, 2, 4])
@pytest.mark.parametrize("others", [[], [drop("Neg", "negs")], [drop("Floor", "floors")]])
def test_passes_that_round_are_judged_together_or_each_alone_to_the_same_end(judges, others):
    passes = [rounding(one) for one in (GOOD, *others, drop("Ceil", "none"), drop("Relu", "relus"))]

    def outcome_of(judges):
        done = rewrite(ROUNDED, PORTABLE, passes, Options(judges=judges))
        return [n.op_type for n in done.model.graph], [(p.name, p.applied) for p in done.passes]

    assert outcome_of(judges) == outcome_of(0)


def test_a_pass_without_anything_of_its_kind_is_not_run_and_parts_no_row():
    class Never(RulePass):
        def apply(self, model, scope):
            raise AssertionError("there is no Ceil")

    never = Never("ceilings", Guarantee.EXACT, "⌈x⌉ → x", drop("Ceil", "of").rules)
    net = parsed("a = Identity(x) b = Relu(a) y = Identity(b)")
    passes = [rounding(GOOD), never, rounding(replace(GOOD, name="identities-2"))]
    done = rewrite(net, PORTABLE, passes, Options(judges=2))
    assert [p.reason for p in done.passes][1] == "nothing to do"
    assert done.passes[0].applied


@pytest.mark.parametrize("judges_", [0, 2])
def test_a_proof_that_breaks_here_takes_the_pass_back(monkeypatch, judges_):
    """As where it breaks in a fork: the others go on."""
    monkeypatch.setattr(trial, "FEW_SECONDS", 1e9)
    run = Trial.run

    def breaking(self, processes=1):
        if self._rounds:
            raise ValueError("broken")
        return run(self, processes)

    monkeypatch.setattr(Trial, "run", breaking)
    net = parsed("a = Floor(x) b = Relu(a) c = Floor(b) y = Neg(c)")
    done = rewrite(net, PORTABLE, [drop("Neg", "negs"), rounding(WRONG), drop("Ceil", "none")],
                   Options(judges=judges_))  # fmt: skip
    assert "ValueError: broken" in done.passes[1].reason


def test_a_fork_that_gets_no_forks_of_its_own_judges_alone(monkeypatch):
    here, fork = os.getpid(), os.fork

    def refused():
        if os.getpid() != here:
            raise BlockingIOError("no more processes")
        return fork()

    monkeypatch.setattr(os, "fork", refused)
    net = parsed("p = Abs(x) b = Relu(p) q = Neg(b) d = Floor(q) e = Ceil(d) y = Neg(e)")
    both = replace(rounding(WRONG), rules=(*WRONG.rules, *drop("Ceil", "ceilings").rules))
    done = rewrite(net, PORTABLE, [both], Options(judges=2))
    assert sum(rule.changes for rule in done.passes[0].changes) == 2


@pytest.mark.parametrize(
    ("cpus", "elements", "judges"),
    [(4.0, 4, 4), (2.0, 10 << 20, 1), (2.0, 20 << 20, 0), (0.5, 4, 0), (0.5, 10 << 20, 0), (1.0, 4, 0)],
)
def test_as_many_judge_as_processors_and_weights_allow(monkeypatch, cpus, elements, judges):
    monkeypatch.setattr(worker, "available_cpus", lambda: cpus)
    net = parsed("a = Add(x, w) y = Neg(a)")
    weight = ir.Value(name="w", const_value=ir.tensor(np.zeros(elements, np.float32), name="w"))
    net.graph.register_initializer(weight)
    assert worker._judges(net) == judges
