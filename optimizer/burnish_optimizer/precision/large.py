"""Builders' models, of any size: weights lie in files, and are read one at a time.

A model is read into a graph whose large tensors are mapped (`ingest.weights`); what a builder makes is moved
to a file as soon as it is large (`Opened.store`), and the result goes from file to file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx_ir as ir

from burnish_engine.conversion import Conversion
from burnish_optimizer.ingest.saving import save
from burnish_optimizer.ingest.weights import WeightFolder
from burnish_optimizer.rewrite.shapes import ensure_shapes, forget_symbols
from burnish_optimizer.rewrite.walk import graphs_of
from burnish_optimizer.tasks import BuildResult, BuildTask

MODEL = "model.onnx"
# What is made may wait in memory until it is this much.
PENDING_BYTES = 64 << 20


@dataclass
class Opened:
    """A model in hand. `weights.path` is where its external tensors are found."""

    model: ir.Model
    weights: WeightFolder
    _pending_bytes: int = field(default=0)

    def store(self, made_bytes: int) -> None:
        """Tell that a tensor of so many bytes was made: it goes to a file before many are held."""
        self._pending_bytes += made_bytes
        if self._pending_bytes > PENDING_BYTES:
            self.weights.spill(self.model)
            self._pending_bytes = 0


@contextmanager
def opened(task: BuildTask) -> Iterator[Opened]:
    """The task's model, typed by inference. Its weights lie in a folder that goes when the block ends."""
    with TemporaryDirectory(prefix="burnish-weights-", dir=task.folder) as folder:
        weights = WeightFolder(Path(folder))
        model = weights.load(Path(task.model))
        ensure_shapes(model)
        yield Opened(model, weights)


def write(made: Opened, folder: Path, conversion: Conversion | None = None) -> BuildResult:
    """Write the model, without constants that nothing takes any more.

    Args: conversion: what was done to it.
    """
    drop_unused(made.model)
    made.weights.spill(made.model)
    forget_symbols(made.model)
    save(made.model, folder / MODEL, external=False)
    return BuildResult(model=MODEL, conversion=conversion)


def drop_unused(model: ir.Model) -> None:
    """Remove Constant nodes and initializers without a use. Inputs that have a default stay what they are."""
    for graph in graphs_of(model.graph):
        unused = [n for n in graph if n.op_type == "Constant" and not n.domain and not _used(n.outputs[0])]
        graph.remove(unused, safe=True)
        for name, value in tuple(graph.initializers.items()):
            if not _used(value) and not value.is_graph_input():
                del graph.initializers[name]


def _used(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()
