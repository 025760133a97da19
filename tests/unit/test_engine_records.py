"""Records: keys that are stable, outcomes that fit the kubelet's limit, limits that exclude each other."""

import pytest
from pydantic import ValidationError

from burnish_engine import outcome
from burnish_engine.errors import Action, NotFound, RegistryUnavailable
from burnish_engine.key import KeyInputs, engine_key
from burnish_engine.report import Report
from burnish_engine.request import Metric, OptimizationRequest
from support import engines


def inputs(**changes: object) -> KeyInputs:
    base: dict[str, object] = {
        "source": "sha256:aa",
        "request": OptimizationRequest(),
        "target": {"product": "a", "arch": "amd64"},
        "toolchain": {"burnish": "1"},
    }
    return KeyInputs.model_validate(base | changes)


def test_same_inputs_same_key_whatever_the_order() -> None:
    assert engine_key(inputs()) == engine_key(inputs(target={"arch": "amd64", "product": "a"}))


@pytest.mark.parametrize(
    "change",
    [
        {"source": "sha256:bb"},
        {"calibration": "sha256:cc"},
        {"evaluation": "sha256:dd"},
        {"request": OptimizationRequest(max_drop=0.02)},
        {"target": {"product": "b", "arch": "amd64"}},
        {"toolchain": {"burnish": "2"}},
    ],
)
def test_every_input_changes_the_key(change: dict[str, object]) -> None:
    assert engine_key(inputs(**change)) != engine_key(inputs())


def test_the_key_of_a_release_is_pinned() -> None:
    """A change here makes every engine in every registry be built anew: meant, or a mistake?"""
    assert engine_key(inputs()).startswith("71f1006d7df2b435")


def test_report_round_trips() -> None:
    report = engines.report()
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert report.speedup == pytest.approx(2.0)


def test_outcome_of_a_report_carries_the_figures() -> None:
    said = outcome.of_report(engines.report(), "sha256:ee", "done")
    assert said.succeeded
    assert said.reason == "Optimized"
    assert said.baseline is not None
    assert said.baseline.p99_seconds == pytest.approx(0.04)
    assert outcome.Outcome.model_validate_json(said.to_termination_message()) == said


def test_a_baseline_that_wins_says_so() -> None:
    assert outcome.of_report(engines.report(recipe="baseline"), "sha256:ee", "").reason == "BaselineWins"


@pytest.mark.parametrize("message", ["x" * 10_000, "é" * 10_000, '"\\' * 10_000, "\x00" * 10_000])
def test_a_long_message_is_cut_to_the_kubelets_limit(message: str) -> None:
    said = outcome.Outcome(succeeded=False, key="k", reason="R", message=message)
    encoded = said.to_termination_message()
    assert len(encoded) <= outcome.MAX_BYTES
    assert outcome.Outcome.model_validate_json(encoded).message.endswith("…")


def test_errors_become_outcomes_and_exit_codes() -> None:
    gone = NotFound("oci://a/b", found="nothing", expected="a model", remedy="Push it.")
    assert outcome.exit_code(gone) == 3
    assert outcome.of_error(gone, "k").action is Action.STALLED
    assert "Push it." in outcome.of_error(gone, "k").message
    assert outcome.exit_code(RegistryUnavailable("r", found="no answer", expected="one")) == 4


def test_two_accuracy_limits_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        OptimizationRequest(max_drop=0.1, minimum=0.9)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"metric": "sqnr", "max_drop": 0.1}, "give minimum, in dB"),
        ({"metric": "cer", "minimum": 0.9}, "better where it is lower"),
        ({"metric": "max-error"}, "unit of the outputs"),
        ({"metric": "f1", "max_drop": 1.5}, "is a share: found 1.5"),
        ({"metric": "accuracy", "minimum": -0.5}, "expected 0 to 1"),
        ({"metric": "cosine", "minimum": float("nan")}, "finite"),
        ({"metric": "entry"}, "needs a function"),
        ({"metric": "cosine", "metric_entry": "a:b"}, "is for metric entry"),
    ],
)
def test_limits_that_do_not_go_with_the_metric_are_told(asked: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OptimizationRequest.model_validate(asked)


def test_limits_have_the_unit_of_their_metric() -> None:
    assert OptimizationRequest(metric=Metric.MAX_ERROR, max_drop=3.5).allowed_drop == 3.5
    assert OptimizationRequest(metric=Metric.COSINE, minimum=-0.5).floor == -0.5
    assert OptimizationRequest(metric=Metric.SQNR, minimum=35).floor == 35
    sqnr = OptimizationRequest(metric=Metric.SQNR)
    assert (sqnr.allowed_drop, sqnr.floor) == (None, 20)


def test_the_allowed_drop_has_a_default_only_where_no_minimum_judges() -> None:
    assert OptimizationRequest().allowed_drop == pytest.approx(0.01)
    assert OptimizationRequest(minimum=0.9).allowed_drop is None
