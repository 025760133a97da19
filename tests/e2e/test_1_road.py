"""The road that `make demo` takes, asserted: built on each class, published, served, measured."""

import pytest

from burnish_demo.drive import MODEL, Result
from burnish_demo.errors import DemoError
from burnish_demo.kube import Kube
from burnish_demo.place import MODEL_NAMESPACE, SYSTEM_NAMESPACE, Place
from burnish_demo.prometheus import FLEET_METRICS, PrometheusApi
from burnish_demo.watch import ENGINE_KEY, MODEL_LABEL, TARGET_LABEL, is_ready
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.store import read_report, verify_engine

# One sample of the labelled set, over its size, and some rounding.
ONE_SAMPLE = 1.5 / 180


@pytest.fixture
def model(place: Place) -> dict[str, object]:
    found = Kube(place.kubectl).find("optimizedmodel", MODEL_NAMESPACE, MODEL)
    assert found is not None
    return found


def test_two_kinds_of_nodes_are_two_targets_and_both_serve(demo: Result, model: dict[str, object]) -> None:
    assert is_ready(model)
    assert len(demo.columns) == 2
    status = model["status"]
    assert isinstance(status, dict)
    assert [target["state"] for target in status["targets"]] == ["Serving", "Serving"]


def test_every_engine_key_has_one_job_on_a_node_of_its_class(place: Place, demo: Result) -> None:
    kube = Kube(place.kubectl)
    jobs = kube.list("job", MODEL_NAMESPACE, {MODEL_LABEL: MODEL})
    keys = [job["metadata"]["annotations"][ENGINE_KEY] for job in jobs]
    assert len(keys) == len(set(keys))
    assert set(demo.built.values()) <= set(keys)
    pods = kube.list("pod", MODEL_NAMESPACE, {MODEL_LABEL: MODEL, "app.kubernetes.io/component": "optimizer"})
    nodes = {pod["metadata"]["labels"][TARGET_LABEL]: pod["spec"]["nodeName"] for pod in pods}
    assert {target: node for target, node in nodes.items() if not target.endswith(f"-{node}")} == {}


def test_job_pods_get_no_api_token(place: Place) -> None:
    for pod in Kube(place.kubectl).list("pod", MODEL_NAMESPACE, {MODEL_LABEL: MODEL}):
        volumes = pod["spec"].get("volumes", [])
        assert not [volume for volume in volumes if "projected" in volume]


def test_engines_in_the_registry_hold_every_byte_that_their_digests_promise(
    demo: Result, place: Place, model: dict[str, object]
) -> None:
    status = model["status"]
    assert isinstance(status, dict)
    with RegistryClient.from_environment() as client:
        for target in status["targets"]:
            reference = Reference.parse(place.from_here(target["engine"]["reference"]))
            engine, descriptor = verify_engine(client, reference)
            report, _ = read_report(client, reference)
            assert descriptor.digest == target["engine"]["digest"]
            assert engine.key == report.key == target["engine"]["key"]
            assert engine.source_digest == status["sourceDigest"]
            assert report.selected.backend == engine.backend


def test_services_answer_what_the_source_answers(demo: Result) -> None:
    for column in demo.columns:
        assert column.answers is not None
        assert column.answers.samples == 180
        assert column.answers.agreement is not None
        assert column.answers.agreement >= 0.97
        assert column.requests > column.answers.samples


def test_accuracy_through_the_service_is_the_one_that_prometheus_shows(demo: Result) -> None:
    for column in demo.columns:
        assert column.answers is not None
        assert column.answers.accuracy == pytest.approx(
            column.figures.get("accuracy_ratio", "optimized"), abs=ONE_SAMPLE
        )
        reference = column.figures.get("accuracy_ratio", "reference")
        assert reference is not None
        assert reference >= 0.9


def test_figures_of_both_sides_are_there_for_every_target(demo: Result) -> None:
    for column in demo.columns:
        for variant in ("baseline", "optimized"):
            for quantile in ("0.5", "0.9", "0.99"):
                assert (column.figures.get("latency_seconds", variant, quantile) or 0) > 0
            assert (column.figures.get("throughput_per_second", variant) or 0) > 0
            assert (column.figures.get("accelerators_needed", variant) or 0) > 0
        assert set(column.served) == {0.5, 0.99}
        assert column.engine["key"] in {**demo.built, **demo.reused}.values()


def test_prometheus_has_the_metrics_of_the_contract(place: Place) -> None:
    assert place.prometheus_url is not None
    source = PrometheusApi(place.prometheus_url)
    fleet = [name for name in FLEET_METRICS if name != "burnish_savings_per_hour"]  # no price is set
    serving = [
        "burnish_request_duration_seconds_bucket",
        "burnish_queue_duration_seconds_bucket",
        "burnish_compute_duration_seconds_bucket",
        "burnish_requests_in_flight",
        "burnish_engine_info",
        "burnish_engine_load_seconds",
    ]
    operator = ["burnish_reconcile_duration_seconds_bucket", "burnish_queue_depth", "burnish_jobs"]
    operator += ["burnish_optimization_duration_seconds_bucket", "burnish_engine_cache_hits_total"]
    missing = [name for name in [*fleet, *serving, *operator] if not source.series(name)]
    assert missing == []
    assert source.series("burnish_savings_per_hour") == []


def test_the_report_is_a_page(demo: Result) -> None:
    assert len(demo.pages) == 2
    for page in demo.pages.values():
        text = page.read_text(encoding="utf-8")
        assert text.lstrip().lower().startswith("<!doctype html")
        assert "BF16" in text


@pytest.mark.parametrize("namespace", [MODEL_NAMESPACE, SYSTEM_NAMESPACE])
def test_a_privileged_pod_is_refused_by_the_admission_plugin(place: Place, namespace: str) -> None:
    container = {"name": "c", "image": "x", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "intruder", "namespace": namespace},
        "spec": {"containers": [container]},
    }
    with pytest.raises(DemoError) as caught:
        Kube(place.kubectl).apply(pod)
    assert 'violates PodSecurity "restricted:latest"' in caught.value.detail


def test_the_list_of_models_is_readable_at_a_glance(place: Place) -> None:
    listed = Kube(place.kubectl).run("get", "om", f"--namespace={MODEL_NAMESPACE}")
    heading, row = listed.splitlines()[:2]
    assert MODEL in row
    assert "2/2" in row
    assert "True" in row
    assert "READY" in heading


def test_every_field_of_the_spec_is_documented(place: Place) -> None:
    text = Kube(place.kubectl).run("explain", "om.spec", "--recursive=false")
    assert "<no description>" not in text
