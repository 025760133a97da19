"""Connected components of a mask as boxes, by runs of set pixels: no image library is needed. Pure."""

from typing import NamedTuple

import numpy as np

from burnish_runtime.session import Array


class Runs(NamedTuple):
    """Horizontal runs in reading order: rows, first columns, and columns behind the last; all [runs]."""

    rows: Array
    starts: Array
    ends: Array


def runs_of(mask: Array) -> Runs:
    """All runs of a mask [H, W]."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    edges = np.diff(padded, axis=1)
    rows, starts = np.nonzero(edges == 1)
    return Runs(rows, starts, np.nonzero(edges == -1)[1])


def components(runs: Runs) -> Array:
    """A label for each run, 0 … n-1; runs that touch, by a side or a corner, have the same.

    Source: two passes with union-find over runs (He, Chao, Suzuki 2008).
    """
    parent = list(range(len(runs.rows)))
    bounds = np.searchsorted(runs.rows, np.arange(int(runs.rows.max(initial=-1)) + 2)).tolist()
    for above, below, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        _join(parent, runs, above, below, end)
    roots = np.array([_root(parent, run) for run in range(len(parent))], np.int64)
    return np.unique(roots, return_inverse=True)[1]


def boxes(mask: Array, weights: Array) -> tuple[Array, Array]:
    """Components as boxes [n, 4] (x1, y1, x2, y2; ends exclusive), and their pixels' mean weight [n]."""
    runs = runs_of(mask)
    labels = components(runs)
    count = int(labels.max(initial=-1)) + 1
    found = np.empty((count, 4), np.float64)
    found[:, :2], found[:, 2:] = np.inf, -np.inf
    np.minimum.at(found[:, 0], labels, runs.starts)
    np.minimum.at(found[:, 1], labels, runs.rows)
    np.maximum.at(found[:, 2], labels, runs.ends)
    np.maximum.at(found[:, 3], labels, runs.rows + 1)
    sums = np.zeros((mask.shape[0], mask.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    inside = np.bincount(labels, sums[runs.rows, runs.ends] - sums[runs.rows, runs.starts], count)
    return found, inside / np.maximum(np.bincount(labels, runs.ends - runs.starts, count), 1)


def _join(parent: list[int], runs: Runs, above: int, below: int, end: int) -> None:
    """Unite the runs of one row with those of the row above that they touch."""
    stop = below
    while above < stop and below < end:
        if runs.starts[above] <= runs.ends[below] and runs.starts[below] <= runs.ends[above]:
            one, other = _root(parent, above), _root(parent, below)
            parent[max(one, other)] = min(one, other)
        if runs.ends[above] < runs.ends[below]:
            above += 1
        else:
            below += 1


def _root(parent: list[int], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run
