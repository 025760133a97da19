"""Why an engine won, what the others lost by, and what would let a faster one win."""

import io
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from burnish_cli import kubectl
from burnish_cli.main import cli
from burnish_engine.errors import RegistryUnavailable
from burnish_engine.report import Report
from burnish_optimizer.report.explain import Explanation, explain
from burnish_optimizer.report.explain_console import render_explanation
from support import explained

GOLDEN = Path(__file__).parent / "golden"


def by_name(found):
    return {one.recipe: one for one in found.lost}


def shown(found, width=110):
    console = Console(file=io.StringIO(), width=width)
    console.print(render_explanation(found))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize(("name", "won"), [("explain-won", True), ("explain-baseline", False)])
def test_what_a_person_reads(name, won):
    """To renew the files: BURNISH_GOLDEN=1."""
    file = GOLDEN / f"{name}.txt"
    text = shown(explain(explained.report(won=won)))
    if os.environ.get("BURNISH_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def test_each_loser_is_told_with_what_excluded_it():
    lost = by_name(explain(explained.report()))
    assert {name: one.excluded_by for name, one in lost.items()} == {
        "openvino-int8-qdq": "accuracy, batch gate",
        "openvino-int8-bf16": "accuracy gate",
        "openvino-int8": "accuracy gate",
        "openvino-fp32": "winner",
        "ort-int8-dynamic": "accuracy gate",
        "ort-fp32": "baseline",
        "openvino-fp32-static": "first look",
        "ort-int4-rtn": "failure",
    }


def test_the_fastest_loser_comes_first_and_what_has_no_figure_last():
    names = [one.recipe for one in explain(explained.report()).lost]
    assert names[0] == "openvino-int8-qdq"
    assert names[-1] == "ort-int4-rtn"


def test_ratios_are_beside_the_winner_and_take_the_worst_of_both_intervals():
    slower = by_name(explain(explained.report()))["openvino-fp32"]
    assert slower.time.value == pytest.approx(2.0 / 1.31)
    assert slower.time.low == pytest.approx(1.96 / 1.3362)
    assert slower.time.high == pytest.approx(2.04 / 1.2838)
    assert slower.memory == pytest.approx(130 / 120)
    assert slower.size == pytest.approx(1.0)
    looked = by_name(explain(explained.report()))["openvino-fp32-static"]
    assert looked.time is None
    assert looked.first_look == pytest.approx(2.0 * 1.9)


def test_a_limit_of_the_request_is_told_before_the_winner():
    lost = by_name(explain(explained.report(latency=explained.GOAL)))
    assert lost["openvino-fp32"].excluded_by == "latency goal"
    lost = by_name(explain(explained.report(max_memory_bytes=125 << 20)))
    assert lost["openvino-fp32"].excluded_by == "memory limit"


def test_budgets_are_the_tightest_that_admit_a_faster_one_each_faster_than_the_last():
    """Slower than the winner, or refused by another gate as well: no budget helps."""
    found = explain(explained.report()).budgets
    assert [(b.recipe, b.option, b.value) for b in found] == [
        ("openvino-int8", "max_drop", 0.0278),  # the interval's bad end, rounded up
        ("openvino-int8-bf16", "max_drop", 0.0641),
    ]
    assert [b.faster_than_winner for b in found] == [pytest.approx(1.22), pytest.approx(1.665)]
    assert [b.needs_samples for b in found] == [2900, None]


def test_where_the_baseline_won_whatever_is_faster_than_it_counts():
    found = explain(explained.report(won=False))
    assert [b.recipe for b in found.budgets] == ["openvino-int8", "openvino-int8-bf16"]
    assert by_name(found)["ort-fp32"].excluded_by == "baseline"
    assert "nothing that passed every gate beat the source" in found.why


def test_a_floor_is_told_as_a_floor_and_the_highest_comes_first():
    found = explain(explained.report(minimum=0.95)).budgets
    assert [(b.recipe, b.option, b.value) for b in found] == [
        ("openvino-int8", "minimum", 0.9133),
        ("openvino-int8-bf16", "minimum", 0.89),
    ]


def test_where_only_samples_are_missing_their_number_is_told_and_no_limit():
    """It keeps the limit already: a `max_drop` below the one that is asked for would help nobody."""
    whole = explained.report(max_drop=0.03)
    found = explain(whole).budgets
    assert [(b.recipe, b.option, b.value) for b in found] == [
        ("openvino-int8", "samples", 2900),
        ("openvino-int8-bf16", "max_drop", 0.0641),
    ]
    assert "about 2900 evaluation samples would let openvino-int8 through" in shown(explain(whole), width=200)
    floored = explain(explained.report(minimum=0.9)).budgets
    assert [(b.option, b.value) for b in floored] == [("samples", 2900), ("minimum", 0.89)]


def test_a_limit_that_is_kept_with_samples_enough_is_no_advice():
    assert "openvino-int8-bf16" not in {b.recipe for b in explain(explained.report(max_drop=0.07)).budgets}


def test_what_was_not_tried_is_told_with_its_reason():
    found = explain(explained.report())
    assert {one.recipe for one in found.not_tried} == {"ort-fp16", "trt-fp8"}
    assert all(one.reason for one in found.not_tried)


def test_an_engine_that_was_never_measured_is_compared_with_nothing():
    whole = explained.report()
    won = explained.WINNER.model_copy(update={"measurement": None, "speedup": None})
    blind = whole.model_copy(update={"optimized": None, "candidates": (won, *whole.candidates[1:])})
    found = explain(blind)
    assert found.budgets == ()
    assert all(one.time is None and one.memory is None for one in found.lost)
    assert shown(found)


def test_rates_by_the_clock_and_unsteady_figures_are_noted():
    report = explained.report()
    vague = report.optimized.model_copy(update={"note": "not steady: …"})
    found = explain(report.model_copy(update={"optimized": vague}))
    assert found.notes[0] == "not steady: …"
    assert "p99 within 100 ms: 80 → 164 samples a second" in found.notes[1]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(explained.report().model_dump_json())
    return path


def test_the_command_takes_a_report_and_prints_json_that_reads_back(file):
    said = CliRunner().invoke(cli, ["explain", str(file), "-O", "json"])
    assert Explanation.model_validate(json.loads(said.output)) == explain(
        Report.model_validate_json(file.read_bytes())
    )
    assert "--max-drop 0.0278" in CliRunner().invoke(cli, ["explain", str(file)]).output
    assert "budgets:" in CliRunner().invoke(cli, ["explain", str(file), "-O", "yaml"]).output


def test_a_file_that_is_no_report_is_refused(file):
    file.write_text("{}")
    said = CliRunner().invoke(cli, ["explain", str(file)])
    assert "a report that cannot be read" in str(said.exception)


SERVED = {"status": {"targets": [{"name": "cpu", "engine": {"reference": "r.example/m@sha256:1"}}]}}


def test_kubectl_tells_why_the_engine_of_each_target_won(monkeypatch):
    asked = []

    def report_of(address):
        asked.append(address)
        return explained.report()

    monkeypatch.setattr(kubectl, "read", lambda *_: SERVED)
    monkeypatch.setattr("burnish_cli.engines.report_of", report_of)
    said = CliRunner().invoke(kubectl.cli, ["explain", "net"])
    assert asked == ["oci://r.example/m@sha256:1"]
    assert "openvino-bf16 serves" in said.output


def test_kubectl_without_a_way_to_the_registry_says_so_and_goes_on(monkeypatch):
    def report_of(_):
        raise RegistryUnavailable("r.example", found="no answer", expected="one")

    monkeypatch.setattr(kubectl, "read", lambda *_: SERVED)
    monkeypatch.setattr("burnish_cli.engines.report_of", report_of)
    said = CliRunner().invoke(kubectl.cli, ["explain", "net"])
    assert said.exit_code == 0
    assert "cannot be read from here" in said.output
