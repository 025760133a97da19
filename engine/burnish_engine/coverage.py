"""Where a model's nodes run, and in which number format: what a backend took over, and what it did not."""

from pydantic import Field

from burnish_engine.base import Record


class Elsewhere(Record):
    """Nodes of one operator that do not run where they were asked to, and why."""

    op: str
    nodes: int
    reason: str


class Coverage(Record):
    """What a backend covers of a model.

    nodes: in all, as the backend counts them once it has prepared the graph.
    elsewhere: those that run on another execution provider, or nowhere.
    formats: number format → layers that compute in it, as the backend tells; empty where it does not tell.
    asked: the formats any of which the recipe's precision means; empty: not asked about.
    """

    nodes: int
    elsewhere: tuple[Elsewhere, ...] = ()
    formats: dict[str, int] = Field(default_factory=dict)
    asked: tuple[str, ...] = ()

    @property
    def nodes_elsewhere(self) -> int:
        """Nodes that do not run where they were asked to."""
        return sum(one.nodes for one in self.elsewhere)

    @property
    def layers_asked(self) -> int:
        """Layers that compute in one of the asked formats."""
        return sum(self.formats.get(name, 0) for name in self.asked)

    def __str__(self) -> str:
        """`all 115 nodes, bf16 36 of 40 layers`, or how many run elsewhere and why."""
        took = f"all {self.nodes} nodes"
        if self.elsewhere:
            parts = "; ".join(f"{one.op} × {one.nodes}: {one.reason}" for one in self.elsewhere)
            took = f"{self.nodes - self.nodes_elsewhere} of {self.nodes} nodes ({parts})"
        if not self.formats:
            return took
        if self.asked:
            layers = sum(self.formats.values())
            return f"{took}, {'/'.join(self.asked)} in {self.layers_asked} of {layers} layers"
        return f"{took}, {', '.join(f'{name} × {count}' for name, count in self.formats.items())}"
