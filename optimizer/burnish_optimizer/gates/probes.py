"""Probes: the inputs of a whole model that gates try.

A probe is what the source itself can run, unoptimized: sizes of free dimensions from small to large, batches
of 0 to 3 rows, indices within their tables, masks, every branch, and floating-point values over the range.
The search is bounded in runs and in elements, so that its cost is known before it starts, and it is
deterministic: the same model, samples and seed give the same probes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import onnx_ir as ir

from burnish_optimizer.gates.probe_feeds import Signature
from burnish_optimizer.gates.probe_hunt import Hunt, Probe, Run, Shrink, Smaller
from burnish_optimizer.gates.probe_inputs import batch_like, inputs_of, ranks_to_try, row_axes, unfillable
from burnish_optimizer.gates.probe_regions import region_variations, varied_floats
from burnish_optimizer.gates.probe_roles import FATAL_WHERE_EMPTY
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.rewrite.values import op_key
from burnish_optimizer.rewrite.walk import model_nodes

__all__ = [
    "Probe", "Probing", "Search", "Smaller", "region_variations", "search_probes", "varied_floats",
]  # fmt: skip

MOST = 6


@dataclass(frozen=True)
class Search:
    """What was found. `reason`: why there is no probe at all; empty where there is one."""

    probes: tuple[Probe, ...]
    reason: str = ""


def search_probes(
    model: ir.Model, run: Run, *, samples: Sequence[Feeds] = (), seed: int = 0, most: int = MOST
) -> Search:
    """All that `Probing` finds.

    Returns: no probes for sequences, optionals, maps, complex numbers, and where the source refused all.
    """
    probing = Probing(model, run, samples=samples, seed=seed, most=most)
    found = tuple(probing)
    return Search(found, "" if found else probing.reason)


class Probing:
    """Looks for inputs that the source accepts, and yields each as it is found.

    reason: why there is none, where there is none.
    """

    def __init__(
        self,
        model: ir.Model,
        run: Run,
        *,
        samples: Sequence[Feeds] = (),
        seed: int = 0,
        most: int = MOST,
        shrink: Shrink = lambda _feeds: None,
    ) -> None:
        """Nothing is run before the first is asked for.

        Args:
            run: the source in ONNX Runtime with every optimization disabled; raises where it refuses.
            samples: the user's own data: they come first, and fill half of the probes at most, for user data
                hold no NaN and seldom an empty batch.
            most: how many probes to yield.
            shrink: the source on smaller inputs than those, which are of declared sizes; asked once. Large,
                tiny and non-finite numbers are tried there, and ordinary ones at the declared sizes.
        """
        self._model, self._run, self._shrink, self._seed, self._most = model, run, shrink, seed, most
        self._samples = samples[: (most + 1) // 2]
        self.reason = ""
        self._found = self._search()

    def __iter__(self) -> Iterator[Probe]:
        """Those that were not yielded yet."""
        return self._found

    def _search(self) -> Iterator[Probe]:
        reason = unfillable(self._model)
        axes = {} if reason else _declared_axes(self._model)
        given = 0
        for probe in _accepted_samples(self._run, self._samples, axes):
            given += 1
            yield probe
        if reason:
            self.reason = reason
            return
        for rank in ranks_to_try(self._model):
            made = 0
            for made, probe in enumerate(islice(self._made(rank), self._most - given), 1):  # noqa: B007
                yield probe
            if made:
                return
        self.reason = f"the source refused every probe: {self.reason or 'no sizes fit'}"

    def _made(self, rank: int) -> Iterator[Probe]:
        """Args: rank: of inputs that declare none."""
        fatal = any(op_key(node) in FATAL_WHERE_EMPTY for node in model_nodes(self._model))
        signature = Signature.of(self._model, rank)
        hunt = Hunt(signature, self._run, self._shrink, self._seed, may_be_empty=not fatal)
        yield from hunt.probes()
        self.reason = self.reason or hunt.refused


def _declared_axes(model: ir.Model) -> Mapping[str, int]:
    inputs = inputs_of(model)
    return row_axes(inputs, batch_like(inputs))


def _accepted_samples(run: Run, samples: Sequence[Feeds], axes: Mapping[str, int]) -> Iterator[Probe]:
    for number, feeds in enumerate(samples, 1):
        try:
            answers = run(feeds)
        except Exception:  # noqa: BLE001, S112 - whatever the source refuses, in its many ways, is no probe
            continue
        yield Probe(f"sample {number}", feeds, axes, answers)
