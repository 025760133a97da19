"""The scale bench: what it reads out of audit logs and metrics, and what it makes of it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack" / "cluster"))

from burnish_bench.scaling import bars, burst, document, objects, procs, telling  # noqa: E402
from burnish_bench.scaling.counts import AuditLog, by_kind  # noqa: E402
from burnish_bench.scaling.results import Results, Run, Setting, load, save  # noqa: E402

METRICS = """
# HELP d seconds
d_bucket{verb="GET",le="0.1"} 10.0
d_bucket{verb="GET",le="0.2"} 20.0
d_bucket{verb="GET",le="+Inf"} 20.0
d_bucket{verb="WATCH",le="0.1"} 0.0
d_bucket{verb="WATCH",le="0.2"} 0.0
d_bucket{verb="WATCH",le="+Inf"} 5.0
depth 7.0
"""


def line(verb: str, stage: str, resource: str, second: int, **ref: str) -> str:
    told = {
        "stage": stage,
        "verb": verb,
        "requestURI": f"/{resource}",
        "objectRef": {"resource": resource, **ref},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{second:02d}.000000Z",
    }
    return json.dumps(told) + "\n"


def test_requests_are_counted_once_and_watches_when_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    assert log.read() == []
    path.write_text(
        line("patch", "ResponseComplete", "optimizedmodels", 1, subresource="status")
        + line("watch", "ResponseStarted", "nodes", 2)
        + line("watch", "ResponseComplete", "nodes", 2)
        + line("list", "ResponseComplete", "nodes", 3)[:20]
    )
    assert by_kind(log.read()) == {"patch optimizedmodels/status": 1, "watch nodes": 1}
    with path.open("a") as more:
        more.write(line("list", "ResponseComplete", "nodes", 3)[20:])
    first, *_, last = log.read()
    assert (last.verb, last.is_write, first.is_write) == ("list", False, True)
    assert len(log.between(first.at + 0.5, last.at)) == 2


def test_quantiles_are_those_of_the_series_that_are_asked_for() -> None:
    found = procs.buckets(METRICS, "d", {"verb": "GET"})
    assert procs.quantile(found, 0.5) == pytest.approx(0.1)
    assert procs.quantile(found, 0.75) == pytest.approx(0.15)
    assert procs.quantile(procs.less(found, found), 0.5) is None
    assert procs.quantile(procs.buckets(METRICS, "d", {"verb": "WATCH"}), 0.99) == 0.2
    assert procs.value(METRICS, "depth") == 7.0


def test_a_burst_shares_the_classes_out() -> None:
    found = objects.models(3, "oci://r/m:1", ["a", "b", "c"], 2)
    named = [[t["acceleratorClass"] for t in each["spec"]["targets"]] for each in found]
    assert named == [["a", "b"], ["c", "a"], ["b", "c"]]


def test_what_is_ready_is_told_by_the_object() -> None:
    assert burst.model_is_ready({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert not burst.model_is_ready({"status": {}})
    served = {"spec": {"replicas": 1}, "status": {"readyReplicas": 1, "updatedReplicas": 1}}
    assert burst.deployment_is_ready(served)
    assert not burst.deployment_is_ready({"spec": {"replicas": 1}})


def run(**figures: Any) -> Run:
    burnish = {bar.figure: 0.0 for bar in bars.BARS} | figures
    return Run(Setting(1000, 1, 1, 200), burnish, {"ready_100": 26.0})


def test_bars_are_judged_and_a_missing_figure_is_a_miss() -> None:
    told = list(bars.verdicts([run(ready_100=61.0, reconcile_p99_ms=None)]))
    assert [each for each in told if each.startswith("MISSED")] == [
        "MISSED: 1,000 × 1, 1 class(es), 200 nodes: seconds until all are Ready 61.0 (at most 60)",
        "MISSED: 1,000 × 1, 1 class(es), 200 nodes: milliseconds, p99 of a turn nothing (at most 1,000)",
    ]
    assert len(told) == len(bars.BARS)


def test_results_are_kept_by_setting_and_written_as_a_page(tmp_path: Path) -> None:
    results = Results(
        {
            "date": "2026-01-01",
            "machine": {"model": "a processor", "cores": 2},
            "load": "0.1",
            "versions": {"burnish": "0"},
        }
    )
    results.put(run(ready_100=70.0))
    results.put(run(ready_100=50.0, by_kind={"patch services": 3}))
    save(tmp_path / "scale.json", results)
    again = load(tmp_path / "scale.json")
    assert again == results
    [figures, kinds] = telling.sections(again)
    assert ["all Ready, s", 50.0, 26.0, 112.0, 43.0] in figures[2]
    assert kinds[2] == [["patch services", 3, 0]]
    page = document.write(again, tmp_path / "page.md").read_text()
    assert "holds: 1,000 × 1" in page
