"""All passes, in the order in which they run: clean, fold, fuse, lay out, and clean what that left."""

from collections.abc import Sequence
from dataclasses import replace

from burnish_optimizer.passes.attention import ATTENTION
from burnish_optimizer.passes.cleanup import CLEANUP, FOLDING, UPGRADE
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.passes.fusion import FUSION, FUSION_CONTRIB
from burnish_optimizer.passes.horizontal import HORIZONTAL
from burnish_optimizer.passes.layout import LAYOUT


def again(passes: Sequence[Pass], suffix: str) -> tuple[Pass, ...]:
    """The same passes once more, under names of their own."""
    return tuple(replace(one, name=f"{one.name}-{suffix}") for one in passes)  # type: ignore[type-var]


PASSES: tuple[Pass, ...] = (
    *UPGRADE,
    *CLEANUP,
    *FOLDING,
    *again((*CLEANUP[1:], *FOLDING), "2"),
    *FUSION,
    *ATTENTION,
    *HORIZONTAL,
    *LAYOUT,
    *FUSION_CONTRIB,
    *again((*CLEANUP[1:], *FOLDING), "3"),
)
