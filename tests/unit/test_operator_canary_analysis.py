"""What figures come to: every limit on both sides, and nothing is passed that is not known."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from burnish_operator.api import Analysis, AnalysisCounts
from burnish_operator.decide.rollout import share
from burnish_operator.decide.rollout.analysis import Finding, Result, counted, evaluate, exceeded
from burnish_operator.errors import PrometheusUnavailable
from fakes.prometheus import GOOD

LIMITS = Analysis(min_agreement=0.99)
NOW = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)


def result(**figures: Any) -> Result:
    return evaluate(replace(GOOD, **figures), LIMITS).result


def test_good_figures_pass() -> None:
    assert result() is Result.PASSED


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"canary_failed": 10.0}, {"canary_failed": 11.0}),
        ({"canary_p99": 0.012}, {"canary_p99": 0.0121}),
        ({"agreement": 0.99}, {"agreement": 0.989}),
    ],
    ids=["errors", "latency", "agreement"],
)
def test_a_limit_holds_up_to_itself(within: dict[str, float], beyond: dict[str, float]) -> None:
    assert result(**within) is Result.PASSED
    assert result(**beyond) is Result.FAILED


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("figure", list(GOOD.__dict__))
def test_a_figure_that_is_missing_is_never_passed(figure: str, missing: float | None) -> None:
    assert result(**{figure: missing}) is Result.INCONCLUSIVE


@pytest.mark.parametrize("figure", ["canary_requests", "stable_requests", "compared"])
def test_too_few_requests_say_nothing(figure: str) -> None:
    assert result(**{figure: 100.0}) is Result.PASSED
    assert result(**{figure: 99.0}) is Result.INCONCLUSIVE


def test_a_stable_p99_of_nothing_is_no_measure() -> None:
    assert result(stable_p99=0.0) is Result.INCONCLUSIVE


def test_what_is_known_to_be_bad_is_not_excused_by_what_is_missing() -> None:
    found = evaluate(replace(GOOD, canary_failed=500.0, stable_p99=None, agreement=None), LIMITS)
    assert found.result is Result.FAILED
    assert found.message == "50.00% of 1000 requests to the canary failed, 1.00% may"


def test_answers_are_not_compared_where_no_one_asked_for_it() -> None:
    samples = replace(GOOD, compared=None, agreement=None)
    assert evaluate(samples, Analysis()).result is Result.PASSED


def test_no_answer_of_prometheus_is_told_without_its_secrets() -> None:
    error = PrometheusUnavailable("http://me:pw@prometheus", found="nothing", expected="an answer")
    found = evaluate(error, LIMITS)
    assert found.result is Result.ERROR
    assert "pw" not in found.message


def count(result: Result, counts: AnalysisCounts, *, paused: bool = False) -> AnalysisCounts:
    return counted(counts, Finding(result, "told"), NOW, paused=paused)


def test_errors_are_counted_in_a_row_and_all_else_in_all() -> None:
    counts = AnalysisCounts()
    for each in (Result.ERROR, Result.ERROR, Result.PASSED, Result.FAILED, Result.INCONCLUSIVE, Result.ERROR):
        counts = count(each, counts)
    assert (counts.passed, counts.failed, counts.inconclusive, counts.errors) == (1, 1, 1, 1)
    assert (counts.time, counts.message) == ("2026-05-04T10:00:00Z", "no answer: told.")


def test_while_paused_only_failures_count() -> None:
    counts = AnalysisCounts()
    for each in Result:
        counts = count(each, counts, paused=True)
    assert (counts.passed, counts.failed, counts.inconclusive, counts.errors) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("field", "limit", "reason"),
    [
        ("failed", "failure_limit", "AnalysisFailed"),
        ("inconclusive", "inconclusive_limit", "AnalysisInconclusive"),
        ("errors", "consecutive_error_limit", "AnalysisError"),
    ],
)
def test_each_count_has_its_limit(field: str, limit: str, reason: str) -> None:
    limits = Analysis.model_validate({limit: 2})
    assert exceeded(AnalysisCounts.model_validate({field: 2}), limits) == ""
    assert exceeded(AnalysisCounts.model_validate({field: 3}), limits) == reason


@pytest.mark.parametrize(
    ("weight", "replicas", "pods"),
    [(20, 4, 1), (20, 8, 2), (50, 4, 4), (10, 4, 1), (25, 10, 3), (50, 1, 1), (1, 1000, 10)],
)
def test_a_canary_has_as_many_pods_as_stay_within_its_share(weight: int, replicas: int, pods: int) -> None:
    assert share.pods(weight, replicas) == pods
    assert pods == 1 or 100 * pods <= weight * (pods + replicas)
