"""The operator's process: the order in which its parts start and end.

Start: probes, watches, then the election; turns begin once this process leads.
End: no new turn, those under way end and their events are posted, the Lease is given back, the watches end.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import kopf
from prometheus_client import start_http_server

from burnish_operator import handlers, watches
from burnish_operator.adapters.events import KubernetesEvents
from burnish_operator.adapters.kubernetes import KubernetesCluster, path_of
from burnish_operator.errands import Errands
from burnish_operator.errors import ClusterBusy, ClusterUnavailable
from burnish_operator.follow import Follower
from burnish_operator.handlers import Comparer, Key, Listener, Waker
from burnish_operator.leader import LeaseLost
from burnish_operator.listings import Listings
from burnish_operator.metrics import Metrics
from burnish_operator.mirror import Mirror
from burnish_operator.mirrored import MirroredCluster
from burnish_operator.parts import (
    Leader,
    SystemClock,
    kubernetes_configuration,
    leader_of,
    may_see_nodes,
    reconcilers,
    work_of,
)
from burnish_operator.ports import Cluster, Kind
from burnish_operator.probes import Probes
from burnish_operator.pulse import Pulse
from burnish_operator.queue import WorkQueue
from burnish_operator.settings import Settings
from burnish_operator.turns import Turns
from burnish_operator.watches import Ear

_log = logging.getLogger("burnish_operator")
# Less than the chart's grace period, with room for giving the Lease back and closing connections.
DRAIN_SECONDS = 15.0
WATCHES_END_SECONDS = 3.0
CONTROL_REQUEST_SECONDS = 3.0
API_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Seen:
    """What the watches fill, and who is told of it."""

    mirror: Mirror
    told: Mapping[Kind, Listener]


async def operate(settings: Settings) -> int:
    """Run until a signal comes (returns 0), or until this process is of no more use (1)."""
    control = KubernetesCluster(kubernetes_configuration(), timeout_seconds=CONTROL_REQUEST_SECONDS)
    pulse, queue, metrics = Pulse(time.monotonic), WorkQueue[Key](time.monotonic), Metrics()
    leader = leader_of(settings, control)
    posters = max(1, settings.workers // 2)
    server = KubernetesCluster(
        kubernetes_configuration(),
        settings.watch_namespaces,
        settings.workers + posters + 2,
        may_write=leader.seconds_left,
    )
    metrics.watch_process(queue.depth, lambda: leader.leads, pulse.ages)
    start_http_server(settings.metrics_port, registry=metrics.registry)
    pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="reconcile")
    async with Probes(pulse, lambda: asyncio.to_thread(control.answers), settings.health_port):
        stop = _signals()
        scoped = await _unless(stop, asyncio.create_task(_is_cluster_scoped(server)))
        if scoped is None:
            return 0
        seen = Seen(Mirror(), handlers.listeners(Waker(queue.wake, queue.wake), cluster_scoped=scoped))
        cluster = MirroredCluster(server, seen.mirror, frozenset(seen.told))
        errands = Errands("events", posters)
        events = KubernetesEvents(server, SystemClock(), errands)
        who = reconcilers(settings, events, cluster, leader, metrics)
        work = work_of(pool, *who, Comparer(seen.mirror, server, seen.told))
        turns = Turns(queue, settings.workers, work, errands)
        watching = asyncio.create_task(_watch(settings, seen, queue, pulse, stop))
        leading = asyncio.create_task(_lead(leader, turns))
        ended = await _until_ended(stop, leader, turns, leading, watching)
    pool.shutdown(wait=False, cancel_futures=True)
    return _told(ended)


async def _until_ended(
    stop: asyncio.Event,
    leader: Leader,
    turns: Turns,
    leading: asyncio.Task[None],
    watching: asyncio.Task[None],
) -> set[asyncio.Task[None]]:
    """Returns what ended by itself, once all has ended."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({watching, leading, stopped}, return_when=asyncio.FIRST_COMPLETED)
    await _end(leader, turns, leading, watching)
    stopped.cancel()
    return {task for task in (watching, leading) if task in done}


async def _unless(stop: asyncio.Event, task: asyncio.Task[bool]) -> bool | None:
    """What the task comes to; None where the signal to stop came before."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    return None


async def _watch(
    settings: Settings, seen: Seen, queue: WorkQueue[Key], pulse: Pulse, stop: asyncio.Event
) -> None:
    pulse.expect({kind.plural for kind in seen.told})
    registry = kopf.OperatorRegistry()
    follower = Follower(seen.mirror, seen.told, places(seen.told, settings.watch_namespaces))
    watches.log_in(registry, Ear(pulse, Listings(lambda kind: queue.wake(Key(kind=kind.kind))), follower))
    watches.follow(registry, seen.told)
    found = watches.settings(everywhere=not settings.watch_namespaces)
    # kopf takes the signals for itself; they are taken back.
    await watches.watch(registry, found, settings.watch_namespaces, lambda: _take_signals(stop))


def places(kinds: Iterable[Kind], namespaces: Collection[str]) -> dict[str, Kind]:
    """Paths of what is watched. Without namespaces: everywhere."""
    return {
        path_of(kind, space): kind
        for kind in kinds
        for space in (namespaces if kind.namespaced and namespaces else ("",))
    }


async def _is_cluster_scoped(cluster: Cluster) -> bool:
    while True:
        try:
            return await asyncio.to_thread(may_see_nodes, cluster)
        except (ClusterUnavailable, ClusterBusy) as error:
            _log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(API_PAUSE_SECONDS)


async def _lead(leader: Leader, turns: Turns) -> None:
    await leader.campaign()
    tasks = {asyncio.create_task(leader.hold()), asyncio.create_task(turns.run())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _cancel(*tasks)


async def _end(
    leader: Leader, turns: Turns, leading: asyncio.Task[None], watching: asyncio.Task[None]
) -> None:
    await turns.close()
    if leader.leads:
        # Renewed meanwhile: a turn under way, and what it left to others, may write until it is over.
        await asyncio.wait({leading}, timeout=DRAIN_SECONDS)
    turns.drop()
    await _cancel(leading)
    if turns.idle():
        await leader.resign()
    else:
        _log.warning("writes are still under way: the lease is not given back, and ends by itself")
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
