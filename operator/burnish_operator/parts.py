"""The parts of the operator's process, each made of the settings and of other parts."""

import asyncio
import logging
import os
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from kubernetes import config as kubernetes_config
from kubernetes.client import Configuration

from burnish_engine.errors import BurnishError
from burnish_engine.oci.client import RegistryClient
from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.adapters.leases import KubernetesLease, micro_time
from burnish_operator.adapters.prometheus import HttpPrometheus
from burnish_operator.adapters.registry import OciRegistry
from burnish_operator.errors import Forbidden, PutOff
from burnish_operator.handlers import INVENTORY, Comparer, Key
from burnish_operator.inventory import InventoryReconciler
from burnish_operator.leader import Alone, Elector
from burnish_operator.lease import Terms
from burnish_operator.metrics import Metrics
from burnish_operator.ports import NODE, Cluster, Events
from burnish_operator.reconcile import ModelReconciler, World
from burnish_operator.settings import Settings
from burnish_operator.turns import Work

_log = logging.getLogger("burnish_operator")
Leader = Elector | Alone


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.now(UTC)


def elapsed() -> float:
    """Seconds of a clock that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def kubernetes_configuration() -> Configuration:
    """The pod's account, else the kubeconfig."""
    configuration = Configuration()
    try:
        kubernetes_config.load_incluster_config(client_configuration=configuration)
    except kubernetes_config.ConfigException:
        kubernetes_config.load_kube_config(client_configuration=configuration)
    return configuration


def may_see_nodes(cluster: Cluster) -> bool:
    """False where the operator has rights in namespaces only."""
    try:
        cluster.find(NODE)
    except Forbidden:
        _log.warning("may not list nodes: accelerator classes are not discovered and must be made by hand")
        return False
    return True


def leader_of(settings: Settings, control: KubernetesCluster) -> Leader:
    """Who asks for the Lease, or who needs none."""
    if not settings.leader_elect:
        return Alone()
    lease = KubernetesLease(control, settings.lease_namespace, settings.lease_name)
    me, clock = f"{socket.gethostname()}_{uuid.uuid4()}", SystemClock()
    return Elector(lease, me, Terms(settings.lease_seconds), elapsed, lambda: micro_time(clock.now()))


def reconcilers(
    settings: Settings, events: Events, cluster: Cluster, leader: Leader, metrics: Metrics
) -> tuple[ModelReconciler, InventoryReconciler]:
    """What takes turns: models, and the inventory."""
    clock = SystemClock()
    client = RegistryClient.from_environment(os.environ)
    registry = OciRegistry(client, time.monotonic, leader.seconds_left)
    prometheus = HttpPrometheus(settings.prometheus_url) if settings.prometheus_url else None
    world = World(cluster, registry, events, clock, prometheus)
    return ModelReconciler(world, settings, metrics), InventoryReconciler(cluster, clock)


def work_of(
    pool: ThreadPoolExecutor, models: ModelReconciler, inventory: InventoryReconciler, comparer: Comparer
) -> Work:
    """One turn for a key, in a thread of the pool; what it raises is logged."""

    async def work(key: Key) -> float | None:
        loop = asyncio.get_running_loop()
        try:
            if key.kind:
                await comparer.tell(await loop.run_in_executor(pool, comparer.compare, key.kind))
                return None
            if key == INVENTORY:
                return await loop.run_in_executor(pool, inventory.reconcile)
            return await loop.run_in_executor(pool, models.reconcile, key.namespace, key.name)
        except BurnishError as error:
            level = logging.INFO if isinstance(error, PutOff) else logging.WARNING
            _log.log(level, "%s: %s", key, error)
            raise
        except Exception:
            _log.exception("%s: a defect", key)
            raise

    return work
