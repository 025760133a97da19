"""Are the answers that came through the Service those of the untouched source?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from burnish_demo import samples
from burnish_demo.samples import LABEL, Array, Samples


@dataclass(frozen=True)
class Comparison:
    """agreement: share of samples with the same arg-max (None: no classes to choose from).
    accuracy: share with the label's class, of the answers (None: no labels).
    cosine: mean cosine similarity.  max_difference: largest absolute difference of any output value.
    """

    samples: int
    agreement: float | None
    accuracy: float | None
    cosine: float
    max_difference: float


def reference_answers(model: Path, data: Samples, count: int) -> Samples:
    """The source in ONNX Runtime, FP32, no graph optimization: the only judge of right answers."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    rows = [session.run(names, samples.inputs_at(data, index)) for index in range(count)]
    return {name: np.concatenate([row[i] for row in rows]) for i, name in enumerate(names)}


def compare(reference: Samples, answers: Samples, data: Samples) -> Comparison:
    """Compare the first output, sample by sample.

    Args: reference, answers: arrays [N, …] by output name.  data: may hold `label` [≥ N].
    """
    name = next(iter(reference))
    right, given = _rows(reference[name]), _rows(answers[name])
    classes = reference[name].ndim == 2
    labels = data.get(LABEL)
    return Comparison(
        samples=len(given),
        agreement=float(np.mean(right.argmax(1) == given.argmax(1))) if classes else None,
        accuracy=float(np.mean(given.argmax(1) == labels[: len(given)])) if labels is not None else None,
        cosine=float(np.mean(_cosines(right, given))),
        max_difference=float(np.abs(right - given).max()),
    )


def _rows(array: Array) -> Array:
    return array.reshape(len(array), -1).astype(np.float64)


def _cosines(a: Array, b: Array) -> Array:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines: Array = (a * b).sum(1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return cosines
