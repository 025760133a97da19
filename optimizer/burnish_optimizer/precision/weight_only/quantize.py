"""MatMul and Gemm with constant weights → MatMulNBits, layer by layer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from burnish_optimizer.precision.place import Place
from burnish_optimizer.precision.weight_only import embeddings
from burnish_optimizer.precision.weight_only.gptq import Inputs, gptq, inputs_of
from burnish_optimizer.precision.weight_only.grid import Codes, Floats, Grid, joined
from burnish_optimizer.precision.weight_only.hqq import hqq
from burnish_optimizer.precision.weight_only.layers import Layer, bias_row, found, same_weights
from burnish_optimizer.precision.weight_only.moments import (
    LARGEST_DEPTH,
    LIMIT_BYTES,
    Moments,
    Samples,
    grouped,
    moments,
)
from burnish_optimizer.precision.weight_only.pack import DOMAIN, OP, VERSION, packed_values, packed_zeros
from burnish_optimizer.precision.weight_only.plan import Method, Plan
from burnish_optimizer.precision.weight_only.rtn import rtn
from burnish_optimizer.rewrite.values import constant, node_of, site_name

# Weights of so many bytes are quantized at a time: what it takes is about ten times that.
CHUNK_BYTES = 16 << 20
# A, B, scales, zeros, (order of groups,) bias.
BIAS_INPUT = 5


@dataclass(frozen=True)
class Done:
    """What became of one layer. error: norm of the weights' error over the weights' norm.

    bytes_before, bytes_after: of its weights; 0 where they are those of a layer before it.
    """

    method: Method
    error: float
    note: str = ""
    grid: Grid = field(default_factory=Grid)
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass
class WeightReport:
    """Layers by name: what was done, and why the others stay. tables: embeddings, which became 8 bit."""

    done: dict[str, Done] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Done] = field(default_factory=dict)


def quantize_weights(
    model: ir.Model,
    plan: Plan,
    samples: Samples | None = None,
    store: Callable[[int], None] = lambda _: None,
) -> WeightReport:
    """Quantize weights of a typed model, in place.

    Args: samples: calibration, which GPTQ needs: without, layers are rounded to nearest.
        store: is told the bytes of every weight that was made.
    """
    layers, kept = found(model, plan)
    names = [layer.name for layer in layers]  # nodes without one are renamed with their outputs
    run = _Run(plan, Place(model), store, WeightReport(kept=kept))
    for some, known in _with_moments(model, list(same_weights(layers)), plan, samples):
        for group in some:
            run.layers(group, known)
    for table in embeddings.found(model, plan) if plan.embeddings else ():
        run.table(table)
    if run.report.done:
        model.opset_imports.setdefault(DOMAIN, VERSION)
    done = run.report.done
    run.report.done = {name: done[name] for name in names if name in done}
    return run.report


Groups = list[list[Layer]]


def _with_moments(
    model: ir.Model, groups: Groups, plan: Plan, samples: Samples | None
) -> Iterator[tuple[Groups, Mapping[str, Moments]]]:
    """Layers, and the moments of their inputs: few at a time, and each only as long as it is needed.

    What was quantized before counts: moments are taken of the model as it is by then.
    """
    if plan.method is not Method.GPTQ or samples is None:
        yield groups, {}
        return
    depths = {
        layer.activations.name or "": layer.depth
        for group in groups
        if plan.of(_names(group)).method is Method.GPTQ
        for layer in group
        if layer.depth <= LARGEST_DEPTH and layer.activations.graph is model.graph
    }
    waiting = groups
    for some in grouped(depths, LIMIT_BYTES):
        ready = [g for g in waiting if {layer.activations.name for layer in g} & set(some)]
        waiting = [g for g in waiting if g not in ready]
        yield ready, moments(model, some, samples)
    yield waiting, {}


@dataclass(frozen=True)
class _Run:
    plan: Plan
    where: Place
    store: Callable[[int], None]
    report: WeightReport

    def layers(self, group: list[Layer], known: Mapping[str, Moments]) -> None:
        """One weight, for all layers that use it."""
        first, plan = group[0], self.plan.of(_names(group))
        grid = plan.grid
        done = _codes(first, plan, *_hessian(group, plan, known))
        if isinstance(done, str):
            self.report.kept.update((layer.name, done) for layer in group)
            return
        codes, result = done
        arrays: dict[str, NDArray[Any]] = {"codes": packed_values(codes.values, grid), "scales": codes.scales}
        if not grid.symmetric:
            arrays["zeros"] = packed_zeros(codes.zeros, grid)
        parts = [self._constant(first.weight, what, array) for what, array in arrays.items()]
        after = sum(array.nbytes for array in arrays.values())
        result = replace(result, bytes_before=4 * first.depth * first.width, bytes_after=after)
        shared = replace(result, note=f"the weights of {first.name}", bytes_before=0, bytes_after=0)
        for layer in group:
            self.report.done[layer.name] = result if layer is first else shared
            self._place(layer, parts, grid)
        self.store(after)

    def _place(self, layer: Layer, parts: Sequence[ir.Value], grid: Grid) -> None:
        row, bias = bias_row(layer), None
        if row is not None and layer.bias is not None:
            bias = self._constant(layer.bias, "row", row)
        facts = {"K": layer.depth, "N": layer.width, "bits": grid.bits, "block_size": grid.block}
        given = [layer.activations, *parts, *[None] * (BIAS_INPUT - 1 - len(parts)), bias]
        node = node_of(OP, given, {**facts, "accuracy_level": self.plan.accuracy_level}, domain=DOMAIN)
        old = [layer.node] if layer.bias_node is None else [layer.node, layer.bias_node]
        self.where.swap(layer.node, old, [node])

    def table(self, table: ir.Value) -> None:
        """One embedding."""
        held, name = constant(table), table.name or "table"
        if held is None or not np.isfinite(held).all():
            self.report.kept[name] = "its table holds NaN or infinity"
            return
        codes, scales = embeddings.rows_of(held.astype(np.float32, copy=False))
        self.report.tables[name] = _table(held, codes, scales)
        embeddings.place(
            table, self._constant(table, "codes", codes), self._constant(table, "scales", scales), self.where
        )
        self.store(codes.nbytes)

    def _constant(self, like: ir.Value, what: str, array: NDArray[Any]) -> ir.Value:
        return self.where.constant(f"{like.name or 'weight'}/{what}", array, like)


def _names(group: Iterable[Layer]) -> set[str]:
    """What settings may call these layers."""
    return {name for layer in group for name in (layer.node.name or "", site_name(layer.node))}


def _hessian(group: Iterable[Layer], plan: Plan, known: Mapping[str, Moments]) -> tuple[Moments | None, str]:
    """Moments of all inputs that the weight meets, and why there are none."""
    if plan.method is not Method.GPTQ:
        return None, ""
    sums = [known[name] for layer in group if (name := layer.activations.name or "") in known]
    if not sums:
        return None, "no finite moments of its inputs: rounded to nearest"
    return sums[0] if len(sums) == 1 else np.sum(sums, axis=0), ""


def _codes(layer: Layer, plan: Plan, hessian: Moments | None, note: str) -> tuple[Codes, Done] | str:
    """Codes of a weight, a part of its outputs at a time; a reason where it cannot have any."""
    step = max(1, CHUNK_BYTES // (4 * layer.depth))
    inputs = None if hessian is None else inputs_of(hessian, ordered=plan.ordered)
    parts: list[Codes] = []
    off = total = 0.0
    for begin in range(0, layer.width, step):
        rows = layer.rows(begin, min(begin + step, layer.width))
        if not np.isfinite(rows).all():
            return "its weight holds NaN or infinity"
        codes = _method(rows, plan, inputs)
        parts.append(codes)
        errors = np.square(codes.dequantized(plan.grid).astype(np.float64) - rows)
        off, total = off + float(errors.sum()), total + float(np.square(rows.astype(np.float64)).sum())
    method = Method.RTN if note else plan.method
    return joined(parts), Done(method, (off / total) ** 0.5 if total else 0.0, note, plan.grid)


def _table(held: NDArray[Any], codes: NDArray[np.int8], scales: Floats) -> Done:
    """What became of an embedding, read a part of its rows at a time."""
    step = max(1, CHUNK_BYTES // (4 * held.shape[1]))
    off = total = 0.0
    for begin in range(0, len(held), step):
        part = slice(begin, begin + step)
        rows = held[part].astype(np.float64)
        off += float(np.square(codes[part] * scales[part].astype(np.float64) - rows).sum())
        total += float(np.square(rows).sum())
    return Done(
        Method.RTN,
        (off / total) ** 0.5 if total else 0.0,
        "a table, one scale a row",
        Grid(bits=8, block=held.shape[1], symmetric=True),
        bytes_before=4 * held.size,
        bytes_after=codes.nbytes + scales.nbytes,
    )


def _method(rows: Floats, plan: Plan, inputs: Inputs | None) -> Codes:
    if inputs is not None:
        return gptq(rows, inputs, plan.grid)
    return hqq(rows, plan.grid) if plan.method is Method.HQQ else rtn(rows, plan.grid)
