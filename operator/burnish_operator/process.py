"""The operator's process: the order in which its parts start and end.

Start: probes, watches, then the election; turns begin once this process leads.
End: no new turn, those under way end, the Lease is given back, the watches end.
"""

import asyncio
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import kopf
from prometheus_client import start_http_server

from burnish_operator import handlers, watches
from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.errors import ClusterBusy, ClusterUnavailable
from burnish_operator.handlers import Key, Waker
from burnish_operator.leader import LeaseLost
from burnish_operator.metrics import Metrics
from burnish_operator.parts import (
    Leader,
    Work,
    kubernetes_configuration,
    leader_of,
    may_see_nodes,
    reconcilers,
    work_of,
)
from burnish_operator.ports import Cluster
from burnish_operator.probes import Probes
from burnish_operator.pulse import Pulse
from burnish_operator.queue import WorkQueue
from burnish_operator.settings import Settings

_log = logging.getLogger("burnish_operator")
# Less than the chart's grace period, with room for giving the Lease back and closing connections.
DRAIN_SECONDS = 15.0
WATCHES_END_SECONDS = 3.0
CONTROL_REQUEST_SECONDS = 3.0
API_PAUSE_SECONDS = 2.0


async def operate(settings: Settings) -> int:
    """Run until a signal comes (returns 0), or until this process is of no more use (1)."""
    control = KubernetesCluster(kubernetes_configuration(), timeout_seconds=CONTROL_REQUEST_SECONDS)
    pulse, queue, metrics = Pulse(time.monotonic), WorkQueue[Key](time.monotonic), Metrics()
    leader = leader_of(settings, control)
    cluster = KubernetesCluster(
        kubernetes_configuration(),
        settings.watch_namespaces,
        settings.workers + 2,
        may_write=leader.seconds_left,
    )
    metrics.watch_process(queue.depth, lambda: leader.leads, pulse.ages)
    start_http_server(settings.metrics_port, registry=metrics.registry)
    pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="reconcile")
    work = work_of(pool, *reconcilers(settings, cluster, leader, metrics))
    async with Probes(pulse, lambda: asyncio.to_thread(control.answers), settings.health_port):
        stop = _signals()
        watching = asyncio.create_task(_watch(settings, cluster, queue, pulse, stop))
        leading = asyncio.create_task(_lead(leader, queue, settings.workers, work))
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({watching, leading, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await _end(leader, queue, leading, watching)
        stopped.cancel()
    pool.shutdown(wait=False, cancel_futures=True)
    return _told({task for task in (watching, leading) if task in done})


async def _watch(
    settings: Settings, cluster: Cluster, queue: WorkQueue[Key], pulse: Pulse, stop: asyncio.Event
) -> None:
    cluster_scoped = await _is_cluster_scoped(cluster)
    pulse.expect(handlers.watched(cluster_scoped=cluster_scoped))
    registry = kopf.OperatorRegistry()
    watches.log_in(registry, pulse)
    handlers.watch(registry, Waker(queue.wake), cluster_scoped=cluster_scoped)
    found = handlers.settings(everywhere=not settings.watch_namespaces)
    # kopf takes the signals for itself; they are taken back.
    await watches.watch(registry, found, settings.watch_namespaces, lambda: _take_signals(stop))


async def _is_cluster_scoped(cluster: Cluster) -> bool:
    while True:
        try:
            return await asyncio.to_thread(may_see_nodes, cluster)
        except (ClusterUnavailable, ClusterBusy) as error:
            _log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(API_PAUSE_SECONDS)


async def _lead(leader: Leader, queue: WorkQueue[Key], workers: int, work: Work) -> None:
    await leader.campaign()
    tasks = {asyncio.create_task(leader.hold()), asyncio.create_task(queue.run(workers, work))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _cancel(*tasks)


async def _end(
    leader: Leader, queue: WorkQueue[Key], leading: asyncio.Task[None], watching: asyncio.Task[None]
) -> None:
    await queue.close()
    if leader.leads:
        # Renewed meanwhile: a turn under way may write until it is over.
        await asyncio.wait({leading}, timeout=DRAIN_SECONDS)
    await _cancel(leading)
    if queue.idle():
        await leader.resign()
    else:
        _log.warning("turns are still under way: the lease is not given back, and ends by itself")
    watching.cancel()
    await asyncio.wait({watching}, timeout=WATCHES_END_SECONDS)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _told(ended: set[asyncio.Task[None]]) -> int:
    for task in ended:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LeaseLost):
            _log.error("the lease is lost: %s", error)
        elif error is not None:
            _log.error("a part of the operator ended", exc_info=error)
    return 1 if ended else 0


def _signals() -> asyncio.Event:
    stop = asyncio.Event()
    _take_signals(stop)
    return stop


def _take_signals(stop: asyncio.Event) -> None:
    def ask(number: signal.Signals) -> None:
        if not stop.is_set():
            _log.info("%s: ending", number.name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask, number)
