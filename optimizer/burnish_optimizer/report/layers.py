"""Layered layout of a small graph, left to right, wrapped into rows as text is. Pure.

Longest-path layering, a place held in every layer that an edge passes, and barycentre sweeps for the
order within a layer (Sugiyama, Tagawa, Toda 1981). A graph that is deeper than a page is wide goes on in
the row below; an edge into a lower row runs through the margin, as a reader's eye does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from burnish_optimizer.report.bars import shortened
from burnish_optimizer.report.sketch import Sketch, SketchNode

COLUMNS = 9
BOX_WIDTH, BOX_HEIGHT = 96.0, 24.0
LAYER_GAP, LANE_GAP, ROW_GAP, MARGIN = 22.0, 10.0, 26.0, 16.0
SWEEPS = 4
MAX_LABEL = 14


@dataclass(frozen=True)
class PlacedNode:
    """A node's box: its left upper corner."""

    label: str
    title: str
    style: str
    x: float
    y: float


@dataclass(frozen=True)
class Picture:
    """Boxes, and edges as SVG path data."""

    nodes: tuple[PlacedNode, ...]
    edges: tuple[str, ...]
    width: float
    height: float
    box_width: float = BOX_WIDTH
    box_height: float = BOX_HEIGHT


@dataclass(frozen=True)
class _Place:
    """A node (or, as a dummy, a point of a long edge): its layer, and the line that it stands in."""

    layer: int
    lane: int


@dataclass
class _Graph:
    """Layers of items; items past `real` are dummies. `chains`: every edge as the items that it passes."""

    layers: list[list[int]]
    layer_of: list[int]
    chains: list[list[int]]
    neighbours: dict[int, list[int]] = field(default_factory=dict)


def picture(sketch: Sketch) -> Picture:
    """Where everything lies."""
    graph = _with_dummies(layering(sketch), sketch.edges)
    _order(graph)
    places = {
        item: _Place(n, lane) for n, layer in enumerate(graph.layers) for lane, item in enumerate(layer)
    }
    tops, height = _rows(graph.layers)
    nodes = tuple(_box(node, places[i], tops) for i, node in enumerate(sketch.nodes))
    edges = tuple(_path([places[item] for item in chain], tops) for chain in graph.chains)
    columns = min(len(graph.layers), COLUMNS)
    return Picture(nodes, edges, 2 * MARGIN + columns * (BOX_WIDTH + LAYER_GAP) - LAYER_GAP, height)


def layering(sketch: Sketch) -> list[int]:
    """The layer of each node: one past the deepest that feeds it. Inputs move up to their first reader."""
    layer_of = [0] * len(sketch.nodes)
    for source, sink in sorted(sketch.edges, key=lambda edge: edge[1]):
        layer_of[sink] = max(layer_of[sink], layer_of[source] + 1)
    for index, node in enumerate(sketch.nodes):
        readers = [layer_of[sink] for source, sink in sketch.edges if source == index]
        if node.style == "input" and readers:
            layer_of[index] = min(readers) - 1
    return layer_of


def _with_dummies(layer_of: list[int], edges: Sequence[tuple[int, int]]) -> _Graph:
    layers: list[list[int]] = [[] for _ in range(max(layer_of, default=0) + 1)]
    for item, layer in enumerate(layer_of):
        layers[layer].append(item)
    graph = _Graph(layers, list(layer_of), [])
    for source, sink in edges:
        chain = [source]
        if layer_of[source] // COLUMNS == layer_of[sink] // COLUMNS:
            for layer in range(layer_of[source] + 1, layer_of[sink]):
                chain.append(len(graph.layer_of))
                graph.layer_of.append(layer)
                layers[layer].append(chain[-1])
        graph.chains.append([*chain, sink])
    return graph


def _order(graph: _Graph) -> None:
    """Move every item to the mean place of its neighbours, forwards and backwards in turns."""
    for chain in graph.chains:
        for a, b in pairwise(chain):
            graph.neighbours.setdefault(a, []).append(b)
            graph.neighbours.setdefault(b, []).append(a)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        for layer in graph.layers if forwards else graph.layers[::-1]:
            place = {item: lane for items in graph.layers for lane, item in enumerate(items)}
            layer.sort(key=lambda item: _barycentre(graph, item, place, forwards=forwards))


def _barycentre(graph: _Graph, item: int, place: dict[int, int], *, forwards: bool) -> float:
    own = graph.layer_of[item]
    seen = [
        place[n]
        for n in graph.neighbours.get(item, ())
        if (graph.layer_of[n] < own if forwards else graph.layer_of[n] > own)
    ]
    return sum(seen) / len(seen) if seen else float(place[item])


def _rows(layers: Sequence[Sequence[int]]) -> tuple[list[float], float]:
    """The upper edge of each row of layers, and the height of all."""
    tops, y = [], MARGIN
    for start in range(0, len(layers), COLUMNS):
        tops.append(y)
        lanes = max(len(layer) for layer in layers[start : start + COLUMNS])
        y += lanes * (BOX_HEIGHT + LANE_GAP) - LANE_GAP + ROW_GAP
    return tops, y - ROW_GAP + MARGIN


def _corner(place: _Place, tops: Sequence[float]) -> tuple[float, float]:
    x = MARGIN + place.layer % COLUMNS * (BOX_WIDTH + LAYER_GAP)
    return x, tops[place.layer // COLUMNS] + place.lane * (BOX_HEIGHT + LANE_GAP)


def _box(node: SketchNode, place: _Place, tops: Sequence[float]) -> PlacedNode:
    return PlacedNode(shortened(node.label, MAX_LABEL), node.title, node.style, *_corner(place, tops))


def _path(places: Sequence[_Place], tops: Sequence[float]) -> str:
    first, last = places[0], places[-1]
    if first.layer // COLUMNS != last.layer // COLUMNS:
        return _through_the_margin(_corner(first, tops), _corner(last, tops))
    x, y = _corner(first, tops)
    drawn = [f"M{x + BOX_WIDTH:.0f} {y + BOX_HEIGHT / 2:.0f}"]
    for place in places[1:]:
        x, y = _corner(place, tops)
        drawn.append(f"S{x - LAYER_GAP / 2:.0f} {y + BOX_HEIGHT / 2:.0f} {x:.0f} {y + BOX_HEIGHT / 2:.0f}")
        if place is not last:
            drawn.append(f"H{x + BOX_WIDTH:.0f}")
    return "".join(drawn)


def _through_the_margin(source: tuple[float, float], sink: tuple[float, float]) -> str:
    """To the gap right of the box, down to the gap above the lower row, back to the left, and in."""
    out_x, out_y = source[0] + BOX_WIDTH + LAYER_GAP / 3, source[1] + BOX_HEIGHT / 2
    in_x, in_y = sink[0] - LAYER_GAP / 3, sink[1] + BOX_HEIGHT / 2
    gap_y = out_y + BOX_HEIGHT / 2 + LANE_GAP / 2
    out = f"M{source[0] + BOX_WIDTH:.0f} {out_y:.0f}H{out_x:.0f}V{gap_y:.0f}"
    return f"{out}H{in_x:.0f}V{in_y:.0f}H{sink[0]:.0f}"
