"""What can stop an optimization.

BurnishError
├── StalledError
│   ├── InvalidSource       the model file: unreadable, truncated, not ONNX, or broken
│   ├── UnsafeSource        the model would run code, or reach outside its folder
│   ├── UnsupportedOpset    an operator set that this build does not know
│   ├── InvalidData         a calibration or evaluation set that does not fit the model
│   ├── InvalidJob          the request and the materials contradict each other
│   ├── TooLarge            a download above the limit
│   ├── ReferenceFailed     the source itself cannot be run
│   ├── NoTruth             an operator that the FP64 evaluation does not know
│   ├── BudgetExceeded      not even the baseline could be measured in the time given
│   └── WorkerFailed        a process of ours ended without its result (one candidate's end, never the run's)
│       ├── OutOfTime       … because it was killed at its time limit
│       └── NoSpace         … because the disk was full
└── TransientError
    └── DownloadFailed      no answer, a broken answer, or a 5xx
"""

from burnish_engine.errors import StalledError, TransientError


class InvalidSource(StalledError):
    """A model that cannot be read as ONNX."""


class UnsafeSource(StalledError):
    """A model that is refused rather than tried."""


class UnsupportedOpset(StalledError):
    """An operator set outside the range that this build knows."""


class InvalidData(StalledError):
    """Samples that do not fit the model."""


class InvalidJob(StalledError):
    """A request that the given model and data cannot answer."""


class TooLarge(StalledError):
    """More bytes than the limit."""


class ReferenceFailed(StalledError):
    """The untouched source does not run on the evaluation samples."""


class NoTruth(StalledError):
    """What a region computes cannot be evaluated in FP64: nothing can be proved of it."""

    def __init__(self, op: str, reason: str) -> None:
        super().__init__(op, found=reason, expected="an operator that can be evaluated in FP64")
        self.op, self.why = op, reason


class BudgetExceeded(StalledError):
    """The time budget ended before there was anything to choose from."""


class WorkerFailed(StalledError):
    """A worker process crashed, hung, ran out of memory, or raised."""


class OutOfTime(WorkerFailed):
    """A worker process was killed at its time limit."""


class NoSpace(WorkerFailed):
    """A worker process could not write what it made: the disk is full."""


class DownloadFailed(TransientError):
    """A download that may work later."""


class Declined(Exception):
    """A recipe or pass that does not apply, and says why."""


class NoFigure(Exception):
    """A metric that cannot be computed on these answers, and says why."""
