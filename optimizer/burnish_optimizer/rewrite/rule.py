"""A rule: one equation, tried at one node."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope


@dataclass(frozen=True)
class Replacement:
    """What takes the place of `old_values`.

    The driver renames: a new value takes the old one's name, type and shape. It removes every node that
    nothing needs any longer, so a rule names only what it replaces.

    Args:
        old_values, new_values: pairwise. A new value may be one that exists already (an input, a constant).
        nodes: new nodes, in topological order.   initializers: new constants that `nodes` take.
        domains: operator sets that the new nodes need, with their versions ({"com.microsoft": 1}).
    """

    old_values: Sequence[ir.Value]
    new_values: Sequence[ir.Value]
    nodes: Sequence[ir.Node] = ()
    initializers: Sequence[ir.Value] = ()
    domains: tuple[tuple[str, int], ...] = ()


class Rule(Protocol):
    """One equation, in the docstring of its class.

    anchors: op types of the node that `match` is asked about: the last of the pattern, whose output the
    replacement stands for. Op types are written bare (`Add`), with their domain where that is not ONNX's
    (`com.microsoft::Gelu`).
    """

    @property
    def name(self) -> str:
        """Kebab-case."""

    @property
    def anchors(self) -> frozenset[str]:
        """Where to try."""

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """What to put in the place of the pattern that ends at `node`; None where it does not match.

        Must not change the graph. A near match tells `scope.decline` why it was left alone.
        """
