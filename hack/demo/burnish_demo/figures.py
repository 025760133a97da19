"""The table's columns: from Prometheus, or from the pods' own pages where no Prometheus was named."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from burnish_demo import deploy, prometheus
from burnish_demo.kube import Kube, forwarded
from burnish_demo.place import SYSTEM_NAMESPACE, Place
from burnish_demo.prometheus import Labels, MetricsPage, MetricsSource, PrometheusApi
from burnish_demo.table import Column
from burnish_demo.visit import Visit
from burnish_demo.watch import MODEL_LABEL, TARGET_LABEL

QUANTILES = (0.5, 0.99)
METRICS_PORT = "9090"
SERVER = {"app.kubernetes.io/component": "server"}


def columns(
    place: Place, namespace: str, model: str, targets: Sequence[str], visits: Mapping[str, Visit]
) -> list[Column]:
    """Everything that is known of each target, as soon as it was scraped.

    Raises: DemoTimeout: the operator's figures did not appear.
    """
    servers = Kube(place.kubectl).list("pod", namespace, {MODEL_LABEL: model} | SERVER)
    pods = {pod["metadata"]["name"]: pod["metadata"]["labels"][TARGET_LABEL] for pod in servers}
    with metrics(place) as source:
        figures = prometheus.wait_for_fleet(source, namespace, model, targets)
        loaded = _engines(place, namespace, source, pods)
        quantiles = _served(source, pods)
    return [
        Column(
            target=name,
            figures=figures[name],
            engine=loaded.get(name, {}),
            answers=visits[name].comparison,
            requests=visits[name].requests,
            served={q: found[name] for q, found in quantiles.items() if name in found},
        )
        for name in targets
    ]


@contextmanager
def metrics(place: Place) -> Iterator[MetricsSource]:
    """Prometheus, where there is one; else the operator's own page, by port-forward."""
    if place.prometheus_url:
        yield PrometheusApi(place.prometheus_url.rstrip("/"))
    else:
        with _page(place, SYSTEM_NAMESPACE, f"deployment/{deploy.RELEASE}") as page:
            yield page


@contextmanager
def _page(place: Place, namespace: str, resource: str) -> Iterator[MetricsPage]:
    with forwarded([*place.kubectl, f"--namespace={namespace}"], resource, METRICS_PORT) as address:
        yield MetricsPage(f"http://{address}/metrics")


def _engines(
    place: Place, namespace: str, source: MetricsSource, pods: Mapping[str, str]
) -> dict[str, Labels]:
    """What the pods say that they have loaded."""
    if isinstance(source, PrometheusApi):
        return prometheus.engines(source, pods)
    found: dict[str, Labels] = {}
    for pod, target in pods.items():
        with _page(place, namespace, f"pod/{pod}") as page:
            found[target] = page.series("burnish_engine_info")[0][0]
    return found


def _served(source: MetricsSource, pods: Mapping[str, str]) -> dict[float, dict[str, float]]:
    """Needs two scrapes of every pod, and expressions, which a bare page cannot answer."""
    if not isinstance(source, PrometheusApi):
        return {}
    prometheus.wait_for_served(source, pods)
    return {quantile: prometheus.served(source, pods, quantile) for quantile in QUANTILES}
