"""The same figures under the names that dashboards of Triton and KServe ask for, made when scraped.

Source: triton-inference-server/server, `docs/user_guide/metrics.md`; kserve/kserve, `kserve/metrics.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.registry import Collector

from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models

# Triton's counters have no `_total`, which a counter of OpenMetrics must have: untyped keeps the name.
_UNTYPED = "unknown"
_COUNTS = {
    "nv_inference_count": "inference_count",
    "nv_inference_exec_count": "execution_count",
}
_DURATIONS = {
    "nv_inference_request_duration_us": "success",
    "nv_inference_queue_duration_us": "queue",
    "nv_inference_compute_input_duration_us": "compute_input",
    "nv_inference_compute_infer_duration_us": "compute_infer",
    "nv_inference_compute_output_duration_us": "compute_output",
}
_OUTCOMES = {"nv_inference_request_success": "success", "nv_inference_request_failure": "fail"}
_KSERVE = "request_predict_seconds"


class KnownNames(Collector):
    """What the models count, and what was measured."""

    def __init__(self, models: Models, metrics: ServingMetrics) -> None:
        self._models, self._metrics = models, metrics

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the registry would collect once when this is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric, once a scrape."""
        statistics = [model.statistics() for model in self._models.all()]
        for name in (*_COUNTS, *_DURATIONS, *_OUTCOMES):
            metric = Metric(name, f"As Triton's {name}.", _UNTYPED)
            for document in statistics:
                labels = {"model": document["name"], "version": document["version"]}
                metric.add_sample(name, labels, _figure(name, document))
            yield metric
        yield from map(_renamed, self._metrics.compute_seconds.collect())


def _figure(name: str, document: Mapping[str, Any]) -> float:
    if name in _COUNTS:
        return float(document[_COUNTS[name]])
    durations = document["inference_stats"]
    if name in _OUTCOMES:
        return float(durations[_OUTCOMES[name]]["count"])
    return float(durations.get(_DURATIONS[name], {"ns": 0})["ns"] / 1000)


def _renamed(metric: Metric) -> Metric:
    renamed = Metric(_KSERVE, f"As KServe's {_KSERVE}.", metric.type)
    for sample in metric.samples:
        labels = {"model_name" if name == "model" else name: value for name, value in sample.labels.items()}
        renamed.add_sample(sample.name.replace(metric.name, _KSERVE), labels, sample.value)
    return renamed
