"""Burnish in a worker: what `burnish rewrite` does in the process that it starts."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from burnish_engine import digest
from burnish_optimizer.passes.worker import run_rewrite
from burnish_optimizer.tasks import RewriteTask

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
    task = RewriteTask(
        model=str(source),
        name=source.name,
        digest=digest.of_file(source),
        output=str(output),
        target=target,
        folder=str(scratch / "weights"),
        journal=str(scratch / "journal"),
    )
    done = run_rewrite(task)
    if not done.changed:
        shutil.copyfile(source, output)
    undone = [f"{p.name}: {r.rule}: {r.evidence}" for p in done.report.passes for r in p.rolled_back]
    broken = [f"{p.name}: {p.reason}" for p in done.report.passes if p.reason.startswith("rolled back")]
    return {
        "gate_seconds": done.report.gate_seconds,
        "unproven": done.report.unproven,
        "rolled_back": undone or broken,
    }
