"""The operator's process: wiring only.

python -m burnish_operator            (settings come from BURNISH_* variables; flags go over them)
"""

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import kopf
from kubernetes import config as kubernetes_config
from kubernetes.client import Configuration
from prometheus_client import start_http_server

from burnish_engine.errors import BurnishError
from burnish_engine.oci.client import RegistryClient
from burnish_operator import handlers, logs
from burnish_operator.adapters.events import KubernetesEvents
from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.adapters.registry import OciRegistry
from burnish_operator.adapters.watching import Listings
from burnish_operator.errors import Forbidden
from burnish_operator.handlers import INVENTORY, Comparer, Key, Listener, Waker
from burnish_operator.inventory import InventoryReconciler
from burnish_operator.metrics import Metrics
from burnish_operator.mirror import CLUSTER_KINDS, MIRRORED_KINDS, Mirror
from burnish_operator.mirrored import MirroredCluster
from burnish_operator.ports import NODE, Cluster, Kind
from burnish_operator.queue import WorkQueue
from burnish_operator.reconcile import ModelReconciler, World
from burnish_operator.settings import InvalidSettings, Settings, from_environment

_log = logging.getLogger("burnish_operator")
# Unused without peering; kopf would look for the user's name, and a numeric user has none. The type is
# kopf's own and not public.
IDENTITY: Any = "burnish"


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.now(UTC)


def parse(arguments: Sequence[str]) -> dict[str, object]:
    """Flags that were given; those that were not are None."""
    parser = argparse.ArgumentParser(prog="burnish-operator", description="The Burnish operator.")
    parser.add_argument("--optimizer-image")
    parser.add_argument("--serving-image")
    parser.add_argument("--triton-image")
    parser.add_argument("--openvino-model-server-image")
    parser.add_argument("--repository", help="where engines go, host/path")
    parser.add_argument("--watch-namespaces", help="comma-separated; none means all")
    parser.add_argument("--log-format", choices=("json", "text"))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--metrics-port", type=int)
    parser.add_argument("--health-port", type=int)
    return vars(parser.parse_args(arguments))


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


async def operate(settings: Settings) -> None:
    """Watch and reconcile until a signal comes."""
    server = KubernetesCluster(kubernetes_configuration(), settings.watch_namespaces, settings.workers + 2)
    clock, metrics, mirror = SystemClock(), Metrics(), Mirror()
    cluster_scoped = may_see_nodes(server)
    unseen = frozenset() if cluster_scoped else CLUSTER_KINDS
    cluster = MirroredCluster(server, mirror, MIRRORED_KINDS - unseen)
    registry = OciRegistry(RegistryClient.from_environment(os.environ), time.monotonic)
    world = World(cluster, registry, KubernetesEvents(server, clock), clock)
    queue: WorkQueue[Key] = WorkQueue(time.monotonic)
    told = handlers.listeners(Waker(queue.wake, queue.wake), cluster_scoped=cluster_scoped)
    metrics.watch_queue(queue.depth)
    start_http_server(settings.metrics_port, registry=metrics.registry)
    with ThreadPoolExecutor(settings.workers, thread_name_prefix="reconcile") as pool:
        work = _work(
            pool,
            ModelReconciler(world, settings, metrics),
            InventoryReconciler(cluster, clock),
            Comparer(mirror, server, told),
        )
        workers = asyncio.create_task(queue.run(settings.workers, work))
        watcher = asyncio.create_task(_watch(settings, queue, told, mirror))
        done, _ = await asyncio.wait({workers, watcher}, return_when=asyncio.FIRST_COMPLETED)
        for task in (workers, watcher):
            task.cancel()
        await asyncio.gather(workers, watcher, return_exceptions=True)
        for task in done:
            task.result()


def _work(
    pool: ThreadPoolExecutor, models: ModelReconciler, inventory: InventoryReconciler, comparer: Comparer
) -> Callable[[Key], Awaitable[float | None]]:
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
            _log.warning("%s: %s", key, error)
            raise
        except Exception:
            _log.exception("%s: a defect", key)
            raise

    return work


async def _watch(
    settings: Settings, queue: WorkQueue[Key], told: Mapping[Kind, Listener], mirror: Mirror
) -> None:
    registry = kopf.OperatorRegistry()
    handlers.log_in(registry, Listings(lambda kind: queue.wake(Key(kind=kind.kind))))
    handlers.watch(registry, told, mirror)
    await kopf.operator(
        registry=registry,
        settings=handlers.settings(everywhere=not settings.watch_namespaces),
        standalone=True,
        identity=IDENTITY,
        clusterwide=not settings.watch_namespaces,
        namespaces=settings.watch_namespaces,
        liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return the exit code."""
    try:
        settings = from_environment(os.environ, parse(sys.argv[1:] if arguments is None else arguments))
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    _log.info("starting: optimizer %s, serving %s", settings.optimizer_image, settings.serving_image)
    asyncio.run(operate(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
