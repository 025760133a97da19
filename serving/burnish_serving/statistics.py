"""What happened since the start, in the shape of Triton's statistics extension.

Source: Triton's `extension_statistics.md`. Inferences count rows where requests share runs; executions count
runs of the engine.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from burnish_serving.scheduling.execution import Execution
from burnish_serving.scheduling.runner import Computed

# Callers choose the rows of a request: beyond this many sizes the rest is only in the sums.
REMEMBERED_SIZES = 256


@dataclass
class Duration:
    """How often, and how long together."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Once more."""
        self.count += 1
        self.seconds += seconds

    def document(self) -> dict[str, int]:
        """As the extension has it: nanoseconds."""
        return {"count": self.count, "ns": round(self.seconds * 1e9)}


@dataclass
class Statistics:
    """Of one model. Used on the event loop alone."""

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute: Duration = field(default_factory=Duration)
    inferences: int = 0
    executions: int = 0
    by_rows: defaultdict[int, Duration] = field(default_factory=lambda: defaultdict(Duration))
    last_inference: float = 0.0

    def answered(self, computed: Computed) -> None:
        """One request has its answer."""
        self.queue.add(computed.queue_seconds)
        self.compute.add(computed.compute_seconds)
        self.success.add(computed.queue_seconds + computed.compute_seconds)
        self.last_inference = time.time()

    def failed(self, seconds: float) -> None:
        """One request has none."""
        self.fail.add(seconds)

    def executed(self, execution: Execution) -> None:
        """The engine ran once."""
        self.executions += 1
        self.inferences += execution.rows
        if execution.rows in self.by_rows or len(self.by_rows) < REMEMBERED_SIZES:
            self.by_rows[execution.rows].add(execution.seconds)

    def document(self, name: str, version: str) -> dict[str, Any]:
        """One entry of `model_stats`. What there is no time for here counts 0 nanoseconds."""
        nothing = {"count": self.success.count, "ns": 0}
        return {
            "name": name,
            "version": version,
            "last_inference": round(self.last_inference * 1000),
            "inference_count": self.inferences,
            "execution_count": self.executions,
            "inference_stats": {
                "success": self.success.document(),
                "fail": self.fail.document(),
                "queue": self.queue.document(),
                "compute_input": nothing,
                "compute_infer": self.compute.document(),
                "compute_output": nothing,
                "cache_hit": Duration().document(),
                "cache_miss": Duration().document(),
            },
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": {"count": spent.count, "ns": 0},
                    "compute_infer": spent.document(),
                    "compute_output": {"count": spent.count, "ns": 0},
                }
                for rows, spent in sorted(self.by_rows.items())
            ],
        }
