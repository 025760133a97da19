"""Ranges of activations over calibration samples: minimum and maximum, merged sample by sample.

The graph itself reduces every tensor to two numbers, and these are merged after every few samples, so
memory does not grow with samples. (The calibrator's own `max_intermediate_outputs` must not be used for
that: ONNX Runtime 1.32 drops what it collected instead of merging it.)
"""

import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import onnxruntime
from onnxruntime.quantization.calibrate import MinMaxCalibrater, TensorsData

from burnish_optimizer.ingest.feeds import Feeds
from burnish_runtime import cpu

MERGE_EVERY = 8


class _Reader:
    """Feeds as ONNX Runtime's calibrator asks for them."""

    def __init__(self, feeds: Iterable[Feeds]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)


class _Calibrator(MinMaxCalibrater):  # type: ignore[misc]
    """ONNX Runtime's, with the threads that we may use (its own takes every core of the node)."""

    threads = 1

    def create_inference_session(self) -> None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        self.infer_session: Any = onnxruntime.InferenceSession(
            self.augmented_model_path, options, providers=["CPUExecutionProvider"]
        )


def minmax_ranges(
    model: Path, op_types: list[str], feeds: Iterable[Feeds], threads: int | None
) -> TensorsData:
    """Minimum and maximum of every tensor that quantization of these operators needs."""
    with tempfile.TemporaryDirectory(prefix="burnish-calibrate-") as folder:
        calibrator = _Calibrator(
            model,
            op_types_to_calibrate=op_types,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
        )
        calibrator.threads = threads or cpu.default_threads()
        calibrator.augment_graph()
        calibrator.create_inference_session()
        waiting = iter(feeds)
        while few := list(islice(waiting, MERGE_EVERY)):
            calibrator.collect_data(_Reader(few))
        return calibrator.compute_data()
