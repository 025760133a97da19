"""Where ONNX Runtime spends a request: seconds by node, by its own profile."""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.tasks import BuildTask
from burnish_runtime import cpu

RUNS, WARM_UP = 10, 3
_KERNEL, _FUSED = "_kernel_time", "fused "


@dataclass(frozen=True)
class Profile:
    """Seconds of one request: by what a node is called when it runs, and in all (the median)."""

    by_node: Mapping[str, float]
    seconds: float

    def of(self, nodes: Iterable[str]) -> dict[str, float]:
        """Seconds by the model's own names of nodes; what runs under no name like it is left out."""
        known = frozenset(nodes)
        found: dict[str, float] = defaultdict(float)
        for name, seconds in self.by_node.items():
            own = _own_name(name, known)
            if own is not None:
                found[own] += seconds
        return dict(found)


def profile(model: Path, task: BuildTask, feeds: Sequence[Feeds]) -> Profile:
    """Run a model on these samples, in turns, with the task's threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads or cpu.default_threads()
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="burnish-profile-", dir=task.folder) as folder:
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        taken = []
        for run in range(RUNS + WARM_UP):
            begun = time.perf_counter()
            session.run(None, feeds[run % len(feeds)])
            taken.append(time.perf_counter() - begun)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return Profile(_by_node(events), sorted(taken[WARM_UP:])[RUNS // 2])


def _by_node(events: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            seconds[event["name"].removesuffix(_KERNEL)] += event["dur"] * 1e-6 / (RUNS + WARM_UP)
    return dict(seconds)


def _own_name(name: str, known: Collection[str]) -> str | None:
    """Fusion calls a node `fused NAME` (an activation was taken in) or `NAME/MatMulAddFusion` (1.32)."""
    plain = name.removeprefix(_FUSED)
    return next((one for one in (name, plain, plain.rsplit("/", 1)[0]) if one in known), None)
