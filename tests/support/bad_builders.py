"""Builders that misbehave: in what they do to their process, and in what they hand over."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx

from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.tasks import BuildResult, BuildTask
from support import adversary_nets as nets
from support.adversary_wrongs import WRONGS

MODEL = "model.onnx"


def _saved(task: BuildTask, model: onnx.ModelProto) -> BuildResult:
    onnx.save(model, str(Path(task.folder) / MODEL))
    return BuildResult(model=MODEL)


def _source(task: BuildTask) -> onnx.ModelProto:
    """The source without what is never used: all candidates are smaller, and so worth a look."""
    model = onnx.load(task.model)
    kept = [t for t in model.graph.initializer if t.name != "unused"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def build_lean(task: BuildTask) -> BuildResult:
    """The only good one."""
    return _saved(task, _source(task))


def build_constant(task: BuildTask) -> BuildResult:
    """The smallest and fastest of all, with one answer to everything."""
    return _saved(task, nets.constant_model())


def build_cached(task: BuildTask) -> BuildResult:
    """Answers of the calibration set, looked up."""
    assert task.calibration is not None
    rows = np.stack([s.arrays["x"].ravel() for s in open_samples(task.calibration, task.inputs)])
    return _saved(task, WRONGS["cached"](_source(task), rows))


def build_permuted(task: BuildTask) -> BuildResult:
    """Right scores, each for the class beside it."""
    return _saved(task, WRONGS["permuted classes"](_source(task), np.zeros(0, np.float32)))


def build_infinite(task: BuildTask) -> BuildResult:
    """Right but for one input in fifty, where it answers infinity."""
    return _saved(task, WRONGS["infinity in one of fifty"](_source(task), np.zeros(0, np.float32)))


def build_renamed(task: BuildTask) -> BuildResult:
    """Right, under another name."""
    model = _source(task)
    model.graph.node[-1].output[0] = model.graph.output[0].name = "logits"
    return _saved(task, model)


def build_half(task: BuildTask) -> BuildResult:
    """Half of a file."""
    whole = Path(task.model).read_bytes()
    Path(task.folder, MODEL).write_bytes(whole[: len(whole) // 2])
    return BuildResult(model=MODEL)


def build_nothing(task: BuildTask) -> BuildResult:
    """Tells of a file that it never wrote."""
    return BuildResult(model="nowhere.onnx")


def build_chatty(task: BuildTask) -> BuildResult:
    """Garbage on both streams that looks like answers, and then a wrong model."""
    for stream in (sys.stdout, sys.stderr):
        stream.write('{"ok": {"scores": []}}\n\x00\xff{{{' * 100)
        stream.flush()
    return build_permuted(task)


def build_quitter(task: BuildTask) -> BuildResult:
    """Ends its process without a word, as if all were well."""
    os._exit(0)


def build_killed(task: BuildTask) -> BuildResult:
    """As the kernel's out-of-memory killer ends a process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def build_leaking(task: BuildTask) -> BuildResult:
    """Takes memory until it is stopped (or a bound that no test machine minds)."""
    hoard = []
    for _ in range(40):
        hoard.append(np.ones(8 << 20))
        time.sleep(0.02)
    return BuildResult(model=str(len(hoard)))


def build_orphaned(task: BuildTask) -> BuildResult:
    """Leaves a process behind that nobody asked for, and raises."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    Path(task.folder).parent.joinpath("orphan.pid").write_text(str(child.pid))
    raise RuntimeError("the converter gave up")


def build_liar(task: BuildTask) -> BuildResult:
    """Answers with something that is no result."""
    return task  # type: ignore[return-value]
