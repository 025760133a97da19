"""A Prometheus that says what a test wants."""

from burnish_engine.errors import BurnishError
from burnish_operator.ports import Comparison, Samples

# Within every limit that a spec has by itself.
GOOD = Samples(
    canary_requests=1000.0,
    canary_failed=0.0,
    canary_p99=0.010,
    stable_requests=4000.0,
    stable_p99=0.010,
    compared=1000.0,
    agreement=1.0,
)


class FakePrometheus:
    """Implements `ports.Prometheus`. `answer`: what every question gets, or is refused with."""

    def __init__(self) -> None:
        self.answer: Samples | BurnishError = GOOD
        self.asked: list[Comparison] = []

    def compare(self, question: Comparison) -> Samples:
        self.asked.append(question)
        if isinstance(self.answer, BurnishError):
            raise self.answer
        return self.answer
