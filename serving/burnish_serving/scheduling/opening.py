"""Load an engine as it will be scheduled: threads and instances first, since it is compiled for them."""

import logging
from pathlib import Path

from burnish_engine.errors import InvalidEngine
from burnish_engine.store import load_report, read_engine
from burnish_runtime.cpu import available_cpus
from burnish_runtime.load import Engine, open_engine
from burnish_serving.scheduling.schedule import Recorded, Schedule, concurrency_of, schedule
from burnish_serving.settings import ServeSettings

LOG = logging.getLogger("burnish.serving")


def open_scheduled(folder: Path, settings: ServeSettings) -> tuple[Engine, Schedule]:
    """The engine in a folder, and its schedule. Blocks.

    Raises: whatever `burnish_runtime.load.open_engine` raises.
    """
    descriptor = read_engine(folder)
    planned = concurrency_of(descriptor, settings, available_cpus())
    engine = open_engine(folder, planned.threads, planned.instances)
    made = schedule(descriptor, settings, instances=planned.instances, recorded=recorded(folder))
    if (settings.max_batch or 1) > made.policy.max_rows:
        LOG.warning(
            "larger batches were asked for than the engine proved",
            extra={"asked": settings.max_batch, "max_batch": made.policy.max_rows},
        )
    return engine, made


def recorded(folder: Path) -> Recorded:
    """What the report of an engine tells of its speed; nothing where there is none to read."""
    try:
        report = load_report(folder)
    except InvalidEngine:
        return Recorded()
    goal, measured = report.request.latency, report.optimized
    return Recorded(
        goal_seconds=goal.seconds if goal else None,
        run_seconds=measured.latency_seconds.p50.value if measured else None,
    )
