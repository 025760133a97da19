"""Values inside a model, as it computes them on the probes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.extract import with_outputs

KEPT_BYTES = 192 << 20


class Captures:
    """Inner values by probe, computed when they are first wanted and kept while the model has them."""

    def __init__(self, feeds: Sequence[Mapping[str, Any]], base: Path | None, threads: int) -> None:
        self._feeds, self._base, self._threads = feeds, base, threads
        self._kept: list[dict[str, Any]] = [dict(given) for given in feeds]

    def values(self, model: ir.Model, names: Iterable[str]) -> list[dict[str, Any]]:
        """For each probe, the named values of `model`.

        Raises: whatever ONNX Runtime raises: the model does not run with these values as outputs.
        """
        wanted = sorted(set(names))
        given_outside = {v.name for v in model.graph.inputs}
        held = [kept for _, kept in self._affordable()]
        missing = [n for n in wanted if n not in given_outside and any(n not in kept for kept in held)]
        self._default(model, wanted)
        if missing:
            proto = with_outputs(ir.serde.serialize_model(model), missing)
            session = Executable(proto, self._base, self._threads)
            for given, kept in self._affordable():
                kept.update(session.run(given, missing))
        whole = [{n: kept[n] for n in wanted} for kept in self._kept if all(n in kept for n in wanted)]
        return whole[: max(1, sum(1 for _ in self._affordable()))]

    def _default(self, model: ir.Model, wanted: Sequence[str]) -> None:
        """Inputs with a value of their own (weights, before IR version 4) that no probe gives."""
        given = [(v.name, v.const_value) for v in model.graph.inputs if v.name in wanted]
        for kept in self._kept:
            for name, tensor in given:
                if name and name not in kept and tensor is not None:
                    kept[name] = tensor.numpy()

    def _affordable(self) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        """Probes in their order, as long as what is kept fits; the first one always."""
        held = 0
        for given, kept in zip(self._feeds, self._kept, strict=True):
            if held >= KEPT_BYTES:
                return
            yield given, kept
            held += sum(getattr(v, "nbytes", 0) for v in kept.values())

    def forget(self, alive: Iterable[str]) -> None:
        """Drop what the model no longer has: its name may come back with another meaning."""
        names = set(alive)
        for kept in self._kept:
            for name in [n for n in kept if n not in names]:
                del kept[name]
