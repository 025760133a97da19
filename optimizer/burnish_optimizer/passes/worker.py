"""One rewriting in a process of its own: what a pass or a kernel breaks is that process."""

import os
from functools import partial
from itertools import islice
from pathlib import Path

import onnx_ir as ir

from burnish_engine.report import GraphFacts, RewriteReport
from burnish_optimizer.ingest.feeds import Feeds, to_feeds
from burnish_optimizer.ingest.model import OLDEST_OPSET
from burnish_optimizer.ingest.samples import TRIED_SAMPLES, open_samples
from burnish_optimizer.ingest.saving import save
from burnish_optimizer.ingest.weights import WeightFolder
from burnish_optimizer.passes.catalogue import PASSES
from burnish_optimizer.passes.collector import rarely_collected
from burnish_optimizer.passes.facts import graph_facts
from burnish_optimizer.passes.options import Options
from burnish_optimizer.passes.pipeline import Rewritten, rewrite
from burnish_optimizer.rewrite.shapes import forget_symbols
from burnish_optimizer.rewrite.walk import constants
from burnish_optimizer.targets.kernels import TARGETS
from burnish_optimizer.targets.toolchain import versions
from burnish_optimizer.tasks import RewriteTask, RewriteWorkerResult
from burnish_runtime import memory
from burnish_runtime.cpu import available_cpus

MAX_JUDGES = 4
LARGE_WEIGHT_BYTES = 64 << 20
JOURNAL_BYTES = 120


@rarely_collected()
def run_rewrite(task: RewriteTask) -> RewriteWorkerResult:
    """Rewrite `task.model` into `task.output`, telling each pass in `task.journal` before it begins."""
    with memory.PrivatePeak() as peak:
        folder = WeightFolder(Path(task.folder))
        model = folder.load(Path(task.model))
        before = graph_facts(model)
        done = _rewritten(task, model, folder)
        changed = any(p.applied for p in done.passes) and not done.unproven
        if changed:
            forget_symbols(done.model)
            save(done.model, Path(task.output), external=task.external)
    return RewriteWorkerResult(changed=changed, report=_report(task, before, done, peak.bytes))


def _rewritten(task: RewriteTask, model: ir.Model, folder: WeightFolder) -> Rewritten:
    if 0 < task.opset < OLDEST_OPSET:
        return Rewritten(model, unproven=f"opset {task.opset} is older than {OLDEST_OPSET}")
    if task.uncarried:
        return Rewritten(model, unproven=task.uncarried)
    chosen = [p for p in PASSES if task.passes is None or p.name in task.passes]
    # (It stays open: a pass may take less than opening it.)
    with Path(task.journal).open("wb", buffering=0) as journal:
        options = Options(
            base=folder.path,
            store=folder.spill,
            threads=task.threads or 1,
            samples=_samples(task),
            skip=task.skip,
            judges=_judges(model),
            on_pass=partial(_tell, journal.fileno()),
        )
        return rewrite(model, TARGETS[task.target], chosen, options)


def _report(task: RewriteTask, before: GraphFacts, done: Rewritten, peak: int) -> RewriteReport:
    return RewriteReport(
        source=task.name,
        source_digest=task.digest,
        target=task.target,
        before=before,
        after=graph_facts(done.model),
        passes=done.passes,
        gates=done.gates,
        probes=done.probes,
        unproven=done.unproven,
        environment=versions(),
        seconds=done.seconds,
        gate_seconds=done.gate_seconds,
        peak_memory_bytes=peak,
    )


def _judges(model: ir.Model) -> int:
    """Processes that judge at a time: none where there is one processor alone, or weights so large that forks
    which hold them in FP64 would be too much together; one where weights are large enough to count."""
    cpus = int(available_cpus())
    sizes = (tensor.nbytes for tensor in constants(model) if tensor.dtype != ir.DataType.STRING)
    largest = max(sizes, default=0)
    if cpus <= 1 or largest > LARGE_WEIGHT_BYTES:
        return 0
    return 1 if largest > LARGE_WEIGHT_BYTES // 2 else min(cpus, MAX_JUDGES)


def _samples(task: RewriteTask) -> list[Feeds]:
    if task.data is None:
        return []
    chosen = islice(open_samples(task.data, task.inputs), TRIED_SAMPLES)
    return [to_feeds(sample.arrays, task.inputs) for sample in chosen]


def _tell(journal: int, position: int, count: int, name: str) -> None:
    """One line, written over the last one at once: whoever reads it may do so at any moment."""
    os.pwrite(journal, f"{position} {count} {name}".ljust(JOURNAL_BYTES).encode(), 0)
