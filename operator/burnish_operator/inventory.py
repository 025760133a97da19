"""Nodes into AcceleratorClasses: the other loop's body."""

from burnish_operator.api import AcceleratorClass
from burnish_operator.decide.classes import take_stock
from burnish_operator.errors import ClusterConflict
from burnish_operator.observe import node_of
from burnish_operator.ports import ACCELERATOR_CLASS, NODE, Clock, Cluster
from burnish_operator.reconcile import RESYNC_SECONDS


class InventoryReconciler:
    """Keeps one AcceleratorClass for each kind of hardware, and every class's status."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock

    def reconcile(self) -> float:
        """One turn; returns seconds until the next one is wanted.

        Raises: the cluster's errors.
        """
        nodes = [node_of(raw) for raw in self._cluster.find(NODE)]
        classes = [AcceleratorClass.from_dict(raw) for raw in self._cluster.find(ACCELERATOR_CLASS)]
        stock = take_stock(nodes, classes, self._clock.now())
        for created in stock.created:
            try:
                self._cluster.create(created)
            except ClusterConflict:
                # Someone took the name meanwhile: the next turn reads it and chooses again.
                return 0.0
        for status in stock.statuses:
            self._cluster.apply_status(status)
        if stock.created:
            return 0.0
        return min(RESYNC_SECONDS, stock.look_again_seconds or RESYNC_SECONDS)
