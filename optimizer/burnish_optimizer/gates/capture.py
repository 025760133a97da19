"""Values inside a model, as it computes them on the probes."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from burnish_optimizer.gates.execute import Lazily
from burnish_optimizer.gates.extract import copied
from burnish_optimizer.gates.miniature import without_sizes
from burnish_optimizer.gates.probe_hunt import Run
from burnish_optimizer.gates.twins import few_sides, look

KEPT_BYTES = 192 << 20
# Where all inner values take no more than this, one run captures them all.
ALL_BYTES = 32 << 20
# An element's size, as a rule.
WIDTH_BYTES = 4
# Ends the names of what is asked about values.
ASKED = "/burnish-asked"


class Captures:
    """Inner values by probe, computed when they are first wanted and kept while the model has them.

    What the source has is computed by the source: passes keep the names of what they replace.
    """

    def __init__(
        self,
        source: onnx.ModelProto,
        feeds: Callable[[], Sequence[Mapping[str, Any]]],
        base: Path | None,
        threads: int,
        *,
        declared: bool = True,
        is_quick: bool = False,
        taped: Callable[[Run], Run] = lambda run: run,
    ) -> None:
        """Args: source: it stays as it is.   feeds: makes the probes.   declared: whether they have the sizes
        that the source declares.   is_quick: whether it answers so soon that its values must be small.
        taped: of runs, what has their answers.

        in_source: names that have meant what the source makes ever since.
        """
        self._source, self._base, self._threads, self._declared = source, base, threads, declared
        self._make, self._is_quick, self._taped = feeds, is_quick, taped
        self.in_source = {
            name for node in source.graph.node if node.op_type != "Constant" for name in node.output if name
        }
        self._asked = False
        self._large = False

    @cached_property
    def _feeds(self) -> Sequence[Mapping[str, Any]]:
        return self._make()

    @cached_property
    def _kept(self) -> list[dict[str, Any]]:
        return [dict(given) for given in self._feeds]

    def values(self, model: ir.Model, names: Iterable[str]) -> list[dict[str, Any]]:
        """For each probe, the named values of `model`.

        Raises: whatever ONNX Runtime raises: the model does not run with these values as outputs.
        """
        wanted = sorted(set(names))
        self.all_at_once()
        given_outside = {v.name for v in model.graph.inputs}
        held = [kept for _, kept in self._affordable()]
        missing = [n for n in wanted if n not in given_outside and any(n not in kept for kept in held)]
        self._default(model, wanted)
        of_source = [n for n in missing if n in self.in_source]
        self._run(self._source if of_source else None, of_source)
        others = [n for n in missing if n not in self.in_source]
        self._run(ir.serde.serialize_model(model) if others else None, others)
        whole = [{n: kept[n] for n in wanted} for kept in self._kept if all(n in kept for n in wanted)]
        return whole[: max(1, sum(1 for _ in self._affordable()))]

    def looks(self, model: ir.Model, names: Iterable[str]) -> dict[str, Hashable]:
        """What values of `model` look like on the first probe. Large ones are not held for that.

        Raises: whatever ONNX Runtime raises: the model does not run with their shapes as outputs.
        """
        self.all_at_once()
        kept = self._kept[0]
        missing = [name for name in names if name not in kept]
        shapes = self._each("Shape", ir.serde.serialize_model(model), missing) if missing else {}
        unheld = {name: ("unheld", few_sides(shape)) for name, shape in shapes.items()}
        return unheld | {name: look(kept[name]) for name in names if name in kept}

    def all_at_once(self) -> None:
        """The first time: everything that the source computes, where that is little."""
        if self._asked:
            return
        self._asked = True
        with suppress(Exception):  # values that have no shape: they are captured one by one
            small = self._is_quick or not self._declared
            self._large = not small and self._size_bytes() > ALL_BYTES
            if not self._large:
                self._run(self._source, sorted(self.in_source))

    def _size_bytes(self) -> int:
        """What all values take on the first probe."""
        sizes = self._each("Size", self._source, self.in_source)
        return WIDTH_BYTES * sum(int(size) for size in sizes.values())

    def _each(self, op: str, model: onnx.ModelProto, names: Iterable[str]) -> dict[str, Any]:
        """What an operator says of each value on the first probe."""
        proto = copied(model)
        del proto.graph.output[:]
        for name in names:
            proto.graph.node.add(op_type=op, input=[name], output=[f"{name}{ASKED}"])
            proto.graph.output.add(name=f"{name}{ASKED}")
        found = self._runner(proto)(dict(self._feeds[0]))
        return {name.removesuffix(ASKED): value for name, value in found.items()}

    def _runner(self, proto: onnx.ModelProto) -> Run:
        return self._taped(Lazily(self._sized(proto), self._base, self._threads).run)

    def _sized(self, proto: onnx.ModelProto) -> onnx.ModelProto:
        return proto if self._declared else without_sizes(proto)

    def _run(self, model: onnx.ModelProto | None, names: Sequence[str]) -> None:
        """Keep these values of all probes."""
        if model is None:
            return
        proto = copied(model)
        del proto.graph.output[:]
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        run = self._runner(proto)
        for given, kept in self._affordable():
            kept.update(run(dict(given)))

    def _default(self, model: ir.Model, wanted: Sequence[str]) -> None:
        """Inputs with a value of their own (weights, before IR version 4) that no probe gives."""
        given = [(v.name, v.const_value) for v in model.graph.inputs if v.name in wanted]
        for kept in self._kept:
            for name, tensor in given:
                if name and name not in kept and tensor is not None:
                    kept[name] = tensor.numpy()

    def _affordable(self) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        """Probes in order, as long as what is kept fits; the first always, alone where values are large."""
        held = 0
        for given, kept in zip(self._feeds, self._kept, strict=True):
            if held >= KEPT_BYTES or (held and self._large):
                return
            yield given, kept
            held += sum(getattr(v, "nbytes", 0) for v in kept.values())

    def forget(self, alive: Iterable[str]) -> None:
        """Drop what the model no longer has: its name may come back with another meaning."""
        names = set(alive)
        self.in_source &= names
        for kept in self._kept if self._asked else ():
            for name in [n for n in kept if n not in names]:
                del kept[name]
