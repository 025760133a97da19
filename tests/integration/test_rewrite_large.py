"""Large in one way: weights beside the model, weights inside of it, or nodes.

`make test-long` alone runs those of 5 GB and of 100,000 nodes, which want 12 GB in the temporary folder.
"""

import os
import shutil

import onnx
import pytest

from burnish_bench import large
from burnish_optimizer.ingest.model import read_source
from burnish_optimizer.job import Limits
from burnish_optimizer.rewriting import RewriteJob, rewrite_file
from burnish_runtime import memory

LONG = pytest.mark.long
UNLESS_ASKED = pytest.mark.skipif(
    "BURNISH_LONG" not in os.environ, reason="minutes and gigabytes: make test-long"
)

MOST_MEMORY_BYTES = 3 << 30
HOUR = 3600.0
# What a process has after imports, before it has read anything.
IDLE_BYTES = 160 << 20


@pytest.fixture
def folder(tmp_path):
    """Scratch that does not outlive its test: pytest keeps the last three of its own."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def rewritten(folder, source):
    (folder / "out").mkdir()
    job = RewriteJob(
        source,
        folder / "out" / "model.onnx",
        folder / "work",
        limits=Limits(seconds=HOUR, memory_bytes=8 << 30),
    )
    return rewrite_file(job)


@LONG
@UNLESS_ASKED
def test_five_gigabytes_of_weights_are_rewritten_in_less_than_three(folder):
    source = large.heavy(folder / "in")
    weights = (source.parent / large.DATA).stat().st_size
    assert weights > 5 * 10**9
    done = rewritten(folder, source)
    assert not done.report.unproven
    assert done.changed
    assert done.report.after.nodes < done.report.before.nodes
    assert done.report.peak_memory_bytes < MOST_MEMORY_BYTES
    written = sum(path.stat().st_size for path in (folder / "out").iterdir())
    assert 0.99 * weights < written < 1.01 * weights


@LONG
@UNLESS_ASKED
def test_a_hundred_thousand_nodes_come_to_an_end(folder):
    source = large.long(folder / "in")
    done = rewritten(folder, source)
    assert not done.report.unproven
    assert not any("process died" in report.reason for report in done.report.passes)
    assert done.report.before.nodes == 100_000
    assert done.report.after.nodes <= 80_000
    onnx.checker.check_model(str(done.output))


def test_weights_inside_of_a_model_are_held_in_part(folder):
    source = large.embedded(folder / "in", layers=12)
    size = source.stat().st_size
    assert size > 200 * 10**6
    idle = memory.private_bytes()
    with memory.PrivatePeak() as peak:
        read_source(source)
    assert peak.bytes - idle < size // 8
    done = rewritten(folder, source)
    assert not done.report.unproven
    assert done.report.after.nodes == 24
    assert done.report.peak_memory_bytes - IDLE_BYTES < size
    assert 0.99 * size < done.output.stat().st_size < 1.01 * size
    onnx.checker.check_model(str(done.output))
