"""Burnish in a worker: what `burnish rewrite` does in the process that it starts."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from burnish_optimizer.ingest.model import read_source
from burnish_optimizer.passes.worker import run_rewrite
from burnish_optimizer.rewriting import RewriteJob, task_of

Request = dict[str, Any]


def rewriter(target: str) -> Callable[[Request], Request]:
    """A handler for one target. Its answer tells seconds of gates, and what was rolled back and why."""

    def run(request: Request) -> Request:
        source, output = Path(request["source"]), Path(request["output"])
        scratch = Path(tempfile.mkdtemp(prefix=".burnish-", dir=output.parent))
        try:
            return _rewrite(source, output, scratch, target)
        finally:
            shutil.rmtree(scratch)

    return run


def _rewrite(source: Path, output: Path, scratch: Path, target: str) -> Request:
    job = RewriteJob(source=source, output=output, work_dir=scratch, target=target)
    done = run_rewrite(task_of(job, read_source(source, served=False), scratch))
    if not done.changed:
        shutil.copyfile(source, output)
    undone = [f"{p.name}: {r.rule}: {r.evidence}" for p in done.report.passes for r in p.rolled_back]
    broken = [f"{p.name}: {p.reason}" for p in done.report.passes if p.reason.startswith("rolled back")]
    return {
        "gate_seconds": done.report.gate_seconds,
        "unproven": done.report.unproven,
        "rolled_back": undone or broken,
    }
