"""The question about a canary, answered by Prometheus' own engine over series that a test writes down."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from burnish_operator.adapters import promql
from burnish_operator.ports import Comparison

pytestmark = pytest.mark.integration

CANARY, STABLE = "sha256:" + "1" * 64, "sha256:" + "2" * 64
QUESTION = Comparison("team", "pages", CANARY, STABLE, 60)
SCRAPED = 'job="pods",namespace="team",model="pages"'


def info(instance: str, digest: str, scraped: str = SCRAPED) -> dict[str, str]:
    labels = f'{scraped},instance="{instance}",digest="{digest}",backend="openvino"'
    return {"series": f"burnish_engine_info{{{labels}}}", "values": "1x20"}


def series(name: str, instance: str, values: str, scraped: str = SCRAPED, **labels: str) -> dict[str, str]:
    told = "".join(f',{key}="{value}"' for key, value in labels.items())
    return {"series": f'{name}{{{scraped},instance="{instance}"{told}}}', "values": values}


def requests(instance: str, values: str, code: str = "200", scraped: str = SCRAPED) -> dict[str, str]:
    name = "burnish_request_duration_seconds_count"
    return series(name, instance, values, scraped, code=code, protocol="http")


def buckets(instance: str, slow: str, fast: str) -> list[dict[str, str]]:
    """Requests within 10 ms, and within 100 ms."""
    name = "burnish_request_duration_seconds_bucket"
    counts = {"0.01": fast, "0.1": slow, "+Inf": slow}
    return [
        series(name, instance, values, code="200", protocol="http", le=le) for le, values in counts.items()
    ]


def check(folder: Path, written: list[dict[str, str]], expected: dict[str, float]) -> None:
    """After five minutes, scraped every 15 s, these are the figures and no others."""
    samples = [{"labels": f'{{burnish_figure="{name}"}}', "value": v} for name, v in expected.items()]
    asked: dict[str, Any] = {"expr": promql.expression(QUESTION), "eval_time": "5m", "exp_samples": samples}
    test = {"interval": "15s", "input_series": written, "promql_expr_test": [asked]}
    file = folder / "test.yaml"
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "15s", "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_sides_are_counted_over_the_window(tmp_path: Path) -> None:
    written = [
        info("c:9090", CANARY),
        info("s:9090", STABLE),
        info("t:9090", STABLE),
        requests("c:9090", "0+10x20"),
        requests("s:9090", "0+20x20"),
        requests("t:9090", "0+30x20"),
    ]
    expected = {"canary_requests": 40.0, "stable_requests": 200.0, "canary_failed": 0.0}
    check(tmp_path, written, expected)


def test_the_first_failure_ever_counts(tmp_path: Path) -> None:
    """Its series was not there before, which `increase` takes for no change at all."""
    written = [
        info("c:9090", CANARY),
        requests("c:9090", "0+10x20"),
        requests("c:9090", "_x18 3x1", code="500"),
        requests("c:9090", "_x18 2x1", code="UNAVAILABLE"),
        requests("c:9090", "_x18 7x1", code="400"),
    ]
    check(tmp_path, written, {"canary_requests": 52.0, "canary_failed": 5.0})


def test_a_server_that_began_anew_is_counted_from_there(tmp_path: Path) -> None:
    written = [info("c:9090", CANARY), requests("c:9090", "100+10x17 0+4x2")]
    check(tmp_path, written, {"canary_requests": 8.0, "canary_failed": 0.0})


def test_p99_is_of_what_was_answered_in_the_window(tmp_path: Path) -> None:
    written = [
        info("c:9090", CANARY),
        info("s:9090", STABLE),
        *buckets("c:9090", "0+100x20", "0+0x20"),
        *buckets("s:9090", "0+100x20", "0+100x20"),
    ]
    check(tmp_path, written, {"canary_p99": 0.01 + (0.1 - 0.01) * 0.99, "stable_p99": 0.01 * 0.99})


def test_agreement_is_the_mean_of_what_was_compared(tmp_path: Path) -> None:
    written = [
        info("c:9090", CANARY),
        series("burnish_shadow_agreement_ratio_count", "c:9090", "0+10x20"),
        series("burnish_shadow_agreement_ratio_sum", "c:9090", "0+9x20"),
    ]
    check(tmp_path, written, {"compared": 40.0, "agreement": 0.9})


def test_the_same_model_elsewhere_does_not_count(tmp_path: Path) -> None:
    """Another namespace, another engine, another server without any engine."""
    other = SCRAPED.replace("team", "other")
    written = [
        info("o:9090", CANARY, other),
        requests("o:9090", "0+10x20", scraped=other),
        info("d:9090", "sha256:" + "3" * 64),
        requests("d:9090", "0+10x20"),
        requests("e:9090", "0+10x20"),
    ]
    check(tmp_path, written, {})
