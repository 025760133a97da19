"""Figures read back from Prometheus: what the table shows was scraped, never taken from our own status.

Names and labels are those of docs/contracts.md. A scrape may move a metric's own `namespace` aside to
`exported_namespace` (the default, honor_labels off); both are read.
"""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx
from prometheus_client.parser import text_string_to_metric_families

from burnish_demo.errors import DemoError, DemoTimeout

Labels = Mapping[str, str]
Series = list[tuple[Labels, float]]
FLEET_METRICS = (
    "burnish_latency_seconds",
    "burnish_throughput_per_second",
    "burnish_accuracy_ratio",
    "burnish_accelerators_needed",
    "burnish_accelerators_saved",
    "burnish_savings_per_hour",
)
SERVED_QUANTILE = (
    "histogram_quantile({quantile}, sum by (le, pod) (rate(burnish_request_duration_seconds_bucket[2m])))"
)


class MetricsSource(Protocol):
    """Something that can be asked for the current value of a metric."""

    def series(self, expression: str) -> Series:
        """Labels and value of every series."""


@dataclass(frozen=True)
class PrometheusApi:
    """Prometheus' HTTP API."""

    url: str

    def series(self, expression: str) -> Series:
        try:
            response = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10.0)
            response.raise_for_status()
            result = response.json()["data"]["result"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise DemoError(
                self.url,
                found=str(error),
                expected="an answer of Prometheus' query API",
                remedy="Check the URL (PROMETHEUS_URL), and that Prometheus runs.",
            ) from error
        return [(each["metric"], float(each["value"][1])) for each in result]


@dataclass(frozen=True)
class MetricsPage:
    """A `/metrics` page itself, for clusters whose Prometheus was not named: no expressions, only names."""

    url: str

    def series(self, expression: str) -> Series:
        text = httpx.get(self.url, timeout=10.0).raise_for_status().text
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == expression
        ]


@dataclass
class Figures:
    """One target's figures by (metric, variant, quantile or ''); what was not there is absent."""

    values: dict[tuple[str, str, str], float] = field(default_factory=dict)
    metric: str = ""
    currency: str = ""

    def get(self, metric: str, variant: str = "", quantile: str = "") -> float | None:
        return self.values.get((f"burnish_{metric}", variant, quantile))

    @property
    def complete(self) -> bool:
        """Whether all is there that the table cannot do without."""
        return None not in (
            self.get("latency_seconds", "optimized", "0.5"),
            self.get("throughput_per_second", "optimized"),
            self.get("accuracy_ratio", "optimized"),
            self.get("accelerators_needed", "optimized"),
        )


def fleet(source: MetricsSource, namespace: str, model: str) -> dict[str, Figures]:
    """What the operator's metrics say of each target of one OptimizedModel."""
    found: dict[str, Figures] = {}
    for name in FLEET_METRICS:
        for labels, value in source.series(name):
            if labels.get("model") == model and _namespace(labels) == namespace:
                _add(found.setdefault(labels["target"], Figures()), name, labels, value)
    return found


def _add(figures: Figures, name: str, labels: Labels, value: float) -> None:
    figures.values[name, labels.get("variant", ""), labels.get("quantile", "")] = value
    figures.metric = labels.get("metric", figures.metric)
    figures.currency = labels.get("currency", figures.currency)


def _namespace(labels: Labels) -> str | None:
    return labels.get("exported_namespace", labels.get("namespace"))


def wait_for_fleet(
    source: MetricsSource,
    namespace: str,
    model: str,
    targets: Iterable[str],
    *,
    timeout_seconds: float = 45.0,
) -> dict[str, Figures]:
    """The figures of all targets, as soon as they were scraped.

    Raises: DemoTimeout: a target's figures did not appear.
    """
    wanted, ends = set(targets), time.monotonic() + timeout_seconds
    while True:
        found = fleet(source, namespace, model)
        missing = {name for name in wanted if name not in found or not found[name].complete}
        if not missing:
            return found
        if time.monotonic() > ends:
            raise DemoTimeout(
                f"metrics of {namespace}/{model}",
                found=f"nothing complete for {', '.join(sorted(missing))} after {timeout_seconds:.0f} s",
                expected="the operator's figures, scraped",
                remedy="Look at the targets page of Prometheus: is the operator's pod scraped?",
            )
        time.sleep(1.0)


def served(source: MetricsSource, pods: Mapping[str, str], quantile: float) -> dict[str, float]:
    """Seconds at a quantile of what each target's pods really answered. `pods`: pod to target."""
    series = source.series(SERVED_QUANTILE.format(quantile=quantile))
    return {
        pods[labels["pod"]]: value
        for labels, value in series
        if labels.get("pod") in pods and not math.isnan(value)  # NaN: no request in the window
    }


def wait_for_served(source: MetricsSource, pods: Mapping[str, str], *, timeout_seconds: float = 20.0) -> None:
    """Until every target's requests were scraped twice; after the time-out, without those that were not."""
    ends = time.monotonic() + timeout_seconds
    while set(served(source, pods, 0.5)) != set(pods.values()) and time.monotonic() < ends:
        time.sleep(1.0)


def engines(source: MetricsSource, pods: Mapping[str, str]) -> dict[str, Labels]:
    """What each target's pods have loaded: backend, precision, digest, key. `pods`: pod to target."""
    return {
        pods[labels["pod"]]: labels
        for labels, _ in source.series("burnish_engine_info")
        if labels.get("pod") in pods
    }
