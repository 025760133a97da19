"""Small engine folders and reports for tests that do not care how an engine was made."""

from datetime import UTC, datetime
from pathlib import Path

from burnish_engine import digest
from burnish_engine.descriptor import ENGINE_FILE, REPORT_FILE, REPORT_PAGE, EngineDescriptor, TensorSpec
from burnish_engine.report import Accuracy, Estimate, Latency, Material, Measurement, Report, Selected
from burnish_engine.request import Backend, Metric, OptimizationRequest, Precision

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "0123456789abcdef" * 4
SOURCE = "sha256:" + "5" * 64


def measurement(p50_seconds: float, throughput_per_second: float) -> Measurement:
    """A measurement whose other figures follow from the median."""

    def estimate(value: float) -> Estimate:
        return Estimate(value=value, low=value * 0.9, high=value * 1.1)

    return Measurement(
        latency_seconds=Latency(
            p50=estimate(p50_seconds), p90=estimate(p50_seconds * 1.5), p99=estimate(p50_seconds * 2)
        ),
        throughput_per_second=estimate(throughput_per_second),
        peak_memory_bytes=1 << 20,
        load_seconds=0.1,
        size_bytes=1 << 10,
        samples=100,
    )


def report(key: str = KEY, recipe: str = "openvino-bf16") -> Report:
    """A report of an engine that is twice as fast as its baseline."""
    return Report(
        key=key,
        source=Material(uri="oci://r.example/m:1", digest=SOURCE, size_bytes=3),
        request=OptimizationRequest(),
        selected=Selected(recipe=recipe, backend=Backend.OPENVINO, precision=Precision.BF16),
        baseline=measurement(0.02, 50.0),
        optimized=measurement(0.01, 100.0),
        accuracy=Accuracy(
            metric=Metric.AGREEMENT, value=0.99, interval=(0.97, 1.0), samples=100, reference=1.0, drop=0.01
        ),
        candidates=(),
        environment={"cpu": "test"},
        started=NOW,
        duration_seconds=1.5,
    )


MODEL_FILES = {"model/model.xml": b"<net/>", "model/model.bin": bytes(range(256)) * 64}


def descriptor(key: str = KEY) -> EngineDescriptor:
    """The descriptor that goes with `report`."""
    return EngineDescriptor(
        name="tiny",
        key=key,
        source_digest=SOURCE,
        backend=Backend.OPENVINO,
        precision=Precision.BF16,
        recipe="openvino-bf16",
        model="model/model.xml",
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 3)),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 2)),),
        files={name: digest.of_bytes(data) for name, data in MODEL_FILES.items()},
        target={"name": "cpu-test"},
        toolchain={"burnish": "0"},
        created=NOW,
    )


def write_engine(folder: Path, key: str = KEY) -> Path:
    """An engine folder with a model of a few bytes: enough for everything but running it."""
    (folder / "model").mkdir(parents=True)
    for name, data in MODEL_FILES.items():
        (folder / name).write_bytes(data)
    (folder / ENGINE_FILE).write_text(descriptor(key).model_dump_json())
    (folder / REPORT_FILE).write_text(report(key).model_dump_json())
    (folder / REPORT_PAGE).write_text("<html></html>")
    return folder
