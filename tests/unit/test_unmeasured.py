"""A candidate that was built and not measured: what report, console and page say of it."""

import io

from rich.console import Console

from burnish_engine.coverage import Coverage, Elsewhere
from burnish_engine.outcome import of_report
from burnish_engine.report import CandidateState, GateResult, Report
from burnish_engine.request import OptimizationRequest
from burnish_optimizer.report.console import render_report
from burnish_optimizer.report.entries import entry
from burnish_optimizer.report.page import render_page
from burnish_optimizer.search.attempt import Attempt, contender, is_contender
from burnish_optimizer.search.select import select
from support import engines
from support.workshops import gate, recipe

PART = Coverage(nodes=9, elsewhere=(Elsewhere(op="Shape", nodes=2, reason="runs on CPUExecutionProvider"),))


def line(*gates: GateResult, **request):
    attempt = Attempt(
        recipe=recipe("plan"),
        unmeasured="no such device is here",
        gates=gates,
        coverage=PART,
        notes=("built in 0.4 s",),
    )
    assert is_contender(attempt)
    (verdict,) = select([contender(attempt)], OptimizationRequest(**request))
    return entry(attempt, verdict, frozenset())


def test_its_state_is_its_own_unless_a_gate_rejects_it_or_the_request_takes_it():
    good, bad = gate("coverage", passed=True), gate("coverage", passed=False)
    assert line(good).state is CandidateState.UNMEASURED
    assert "no such device is here" in line(good).reason
    assert line(good, bad).state is CandidateState.REJECTED
    assert line(good, bad, allow_unmeasured=True).state is CandidateState.REJECTED
    assert line(good, allow_unmeasured=True).state is CandidateState.SELECTED


def shown(report: Report) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render_report(report))
    return console.file.getvalue()


def test_where_it_runs_and_what_its_builder_told_are_in_the_report():
    found = line(gate("coverage", passed=True))
    report = engines.report().model_copy(update={"candidates": (found,)})
    for text in (shown(report), render_page(report, "model")):
        assert "Unmeasured" in text
        assert "7 of 9 nodes (Shape × 2: runs on CPUExecutionProvider)" in text
    assert "built in 0.4 s" in render_page(report, "model")


def test_one_that_was_chosen_claims_no_speed_anywhere():
    found = line(gate("coverage", passed=True), allow_unmeasured=True)
    report = engines.report().model_copy(update={"candidates": (found,), "optimized": None})
    report = report.model_copy(update={"selected": report.selected.model_copy(update={"recipe": "plan"})})
    assert report.speedup is None
    assert "plan: built, not measured" in shown(report)
    page = render_page(report, "model")
    assert "built and not measured" in page
    assert "beat the baseline with" not in page
    outcome = of_report(report, "sha256:1", "done")
    assert (outcome.optimized, outcome.speedup) == (None, None)
    assert b"optimized" not in outcome.to_termination_message().replace(b"Optimized", b"")
