"""Workers for rewriting that break in a pass, to see what is left of the run."""

import os
import signal
from pathlib import Path

from burnish_optimizer.passes.worker import run_rewrite
from burnish_optimizer.tasks import RewriteTask, RewriteWorkerResult

KILLER = "equal-initializers"


class KilledInPass(RewriteTask):
    """A task whose worker dies in the pass `KILLER` unless that pass is left out."""

    run: str = "support.rewrite_workers:killed_in_pass"


class KilledAtOnce(RewriteTask):
    """A task whose worker dies before any pass."""

    run: str = "support.rewrite_workers:killed_at_once"


def killed_in_pass(task: RewriteTask) -> RewriteWorkerResult:
    """See `KilledInPass`."""
    if KILLER not in task.skip:
        Path(task.journal).parent.mkdir(parents=True, exist_ok=True)
        Path(task.journal).write_text(f"3 9 {KILLER}", encoding="utf-8")
        os.kill(os.getpid(), signal.SIGSEGV)
    return run_rewrite(task)


def killed_at_once(task: RewriteTask) -> RewriteWorkerResult:
    """See `KilledAtOnce`."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError(task.model)
