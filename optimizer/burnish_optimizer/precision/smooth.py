"""SmoothQuant: what is hard to quantize in activations moves into weights, where it is easy.

X W = (X / s) (s W) for any s > 0 over the channels j of X. With

    s_j = absmax(X_j)^α / absmax(W_j)^(1 - α)

an outlier channel of X no longer takes all levels of its tensor. X / s costs nothing where it can be folded
into what makes X (a LayerNormalization's scale and shift, a bias and the weights before it), and one
multiplication where it cannot. Equal in real arithmetic; in floating point up to rounding.
Source: Xiao et al., "SmoothQuant", ICML 2023 (arXiv 2211.10438), equations 3 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from burnish_optimizer.precision.smooth_fold import Fold, attribute, fold
from burnish_optimizer.precision.smooth_view import Edit, View, drop_unread
from burnish_runtime.session import Array

# float16 holds these and their reciprocals with all their bits.
LEAST_SCALE, MOST_SCALE = 2.0**-14, 2.0**14


@dataclass(frozen=True)
class Smoothed:
    """The new model, and what was done to each activation.

    folded, inserted: by the activation's name in the old model.   skipped: the reasons of the others.
    divided: a value of the new model -> the value of the old one that it is, divided by which scale
        [channels]. What means something else has another name: old ranges are never taken for new ones.
    """

    model: onnx.ModelProto
    folded: tuple[str, ...] = ()
    inserted: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    divided: Mapping[str, tuple[str, Array]] = field(default_factory=dict)


class Reader(NamedTuple):
    """A MatMul or Gemm that multiplies an activation by a constant matrix; `axis` of it counts channels."""

    node: onnx.NodeProto
    axis: int


def smooth(
    model: onnx.ModelProto, absmax: Mapping[str, Array], alpha: float = 0.5, *, insert: bool = True
) -> Smoothed:
    """Smooth activations of the main graph. The given model stays as it is.

    Args:
        model: with its weights in memory.   absmax: activation -> largest magnitude of each channel along
        its last axis, float [channels].   alpha: how much of the difficulty moves, 0 … 1.
        insert: multiply where a scale cannot be folded; else such an activation is skipped.
    Raises: ValueError: alpha is outside 0 … 1.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"found alpha {alpha}, expected 0 … 1")
    made = onnx.ModelProto()
    made.CopyFrom(model)
    work = _Work(made, alpha, insert)
    place = {name: i for i, node in enumerate(made.graph.node) for name in node.output}
    # From the end: a scale folded into weights changes the rows that the scale before it is chosen by.
    for name in sorted(absmax, key=lambda name: place.get(name, -1), reverse=True):
        reason = work.smooth(name, np.asarray(absmax[name], dtype=np.float64))
        if reason:
            work.skipped[name] = reason
    drop_unread(made, work.replaced)
    return Smoothed(made, tuple(work.folded), tuple(work.inserted), work.skipped, work.divided)


class _Work:
    """One smoothing under way."""

    def __init__(self, model: onnx.ModelProto, alpha: float, insert: bool) -> None:
        self.model, self.alpha, self.insert = model, alpha, insert
        self.folded: list[str] = []
        self.inserted: list[str] = []
        self.skipped: dict[str, str] = {}
        self.divided: dict[str, tuple[str, Array]] = {}
        self.replaced: dict[str, None] = {}

    def smooth(self, name: str, absmax: Array) -> str:
        """Smooth one activation; why not, where it is left as it is."""
        view = View(self.model)
        readers = _readers(view, name)
        if not readers:
            return "read by no MatMul or Gemm with a constant matrix in memory"
        if any(view.shape(r.node.input[1])[r.axis] != absmax.size for r in readers):  # type: ignore[index]
            return f"{absmax.size} channels, and matrices of another size"
        scale = scales(absmax, _weight_absmax(view, readers), self.alpha)
        if (scale == 1).all():
            return "no channel with both activations and weights"
        weights = [Edit(r.node, 1, scale[:, None] if r.axis == 0 else scale) for r in readers]
        is_only = len(view.uses[name]) == len(readers) and not {name} & (view.outputs | view.inside)
        found = fold(view, name, scale) if is_only else "it has other readers"
        if isinstance(found, Fold) and self._fold(view, found, weights, scale):
            self.folded.append(name)
            return ""
        if not self.insert:
            why = found if isinstance(found, str) else "the constants' type cannot hold the scaled ones"
            return f"cannot be folded: {why}"
        return self._insert(view, name, weights, scale)

    def _fold(self, view: View, found: Fold, weights: list[Edit], scale: Array) -> bool:
        if not self._edit(view, [*weights, *found.edits]):
            return False
        for name in found.values:
            self._note(view.rename(name), name, scale)
        return True

    def _insert(self, view: View, name: str, weights: list[Edit], scale: Array) -> str:
        factor = view.constant(weights[0].node.input[1])
        if factor is None or not self._edit(view, weights):
            return "the weights' type cannot hold the scaled ones"
        made = view.fresh(name)
        kind = helper.tensor_dtype_to_np_dtype(factor.data_type)
        constant = numpy_helper.from_array((1 / scale).astype(kind), view.fresh(f"{name}/scale"))
        readers = [edit.node for edit in weights]
        for node in readers:
            node.input[0] = made
        view.graph.initializer.append(constant)
        first = next(i for i, node in enumerate(view.graph.node) if any(node is r for r in readers))
        node = helper.make_node("Mul", [name, constant.name], [made], name=made)
        view.graph.node.insert(first, node)
        self._note(made, name, scale)
        self.inserted.append(name)
        return ""

    def _edit(self, view: View, edits: list[Edit]) -> bool:
        tensors = view.edited(edits)
        if tensors is None:
            return False
        self.replaced.update(dict.fromkeys(edit.node.input[edit.at] for edit in edits))
        view.commit(edits, tensors)
        return True

    def _note(self, new: str, old: str, scale: Array) -> None:
        self.divided[new] = (old, scale)


def scales(absmax: Array, weight_absmax: Array, alpha: float) -> Array:
    """s [channels]; 1 where a channel of either is all zeros, or not finite: there is nothing to balance."""
    usable = (absmax > 0) & (weight_absmax > 0) & np.isfinite(absmax) & np.isfinite(weight_absmax)
    one = np.ones_like(absmax)
    ratio = np.where(usable, absmax, one) ** alpha / np.where(usable, weight_absmax, one) ** (1 - alpha)
    found: Array = np.where(usable, np.clip(ratio, LEAST_SCALE, MOST_SCALE), one)
    return found


def _readers(view: View, name: str) -> list[Reader]:
    found = []
    for node, index in view.uses.get(name, []):
        if index != 0 or node.op_type not in ("MatMul", "Gemm") or attribute(node, "transA", 0):
            continue
        shape = view.shape(node.input[1])
        if shape is not None and len(shape) == 2:
            found.append(Reader(node, axis=1 if attribute(node, "transB", 0) else 0))
    return found


def _weight_absmax(view: View, readers: list[Reader]) -> Array:
    """Largest magnitude of each channel over all matrices that share the scale."""
    most = [np.abs(view.array(r.node.input[1])).max(axis=1 - r.axis, initial=0.0) for r in readers]
    found: Array = np.max(most, axis=0)
    return found
