"""Nodes into AcceleratorClasses: the other loop's body."""

import logging
from collections.abc import Mapping

from burnish_operator.api import AcceleratorClass
from burnish_operator.decide.class_status import statuses
from burnish_operator.decide.classes import take_stock
from burnish_operator.decide.settling import Sightings
from burnish_operator.errors import ClusterConflict
from burnish_operator.observe import node_of
from burnish_operator.ports import ACCELERATOR_CLASS, NODE, Clock, Cluster
from burnish_operator.reconcile import RESYNC_SECONDS

_log = logging.getLogger(__name__)


class InventoryReconciler:
    """Keeps one AcceleratorClass for each kind of hardware, and every class's status.

    Remembers what nodes were seen as: labels that flap make no class. The memory may be lost at any time.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self._seen: Sightings = {}
        self._told: Mapping[str, tuple[str, ...]] = {}

    def reconcile(self) -> float:
        """One turn; returns seconds until the next one is wanted.

        Raises: the cluster's errors.
        """
        nodes = [node_of(raw) for raw in self._cluster.find(NODE)]
        classes = [AcceleratorClass.from_dict(raw) for raw in self._cluster.find(ACCELERATOR_CLASS)]
        now = self._clock.now()
        stock = take_stock(nodes, classes, now, self._seen)
        self._seen = stock.seen
        self._tell(stock.unclear)
        for created in stock.created:
            try:
                self._cluster.create(created)
            except ClusterConflict:
                # Someone took the name meanwhile: the next turn reads it and chooses again.
                return 0.0
        for status in statuses(nodes, classes, now):
            self._cluster.apply_status(status)
        if stock.created:
            return 0.0
        return min(RESYNC_SECONDS, stock.look_again_seconds or RESYNC_SECONDS)

    def _tell(self, unclear: Mapping[str, tuple[str, ...]]) -> None:
        """Log what belongs to no class, once until it changes."""
        for node, reasons in unclear.items():
            if self._told.get(node) != reasons:
                _log.warning("node %s: a part of it belongs to no class: %s", node, " ".join(reasons))
        self._told = unclear
