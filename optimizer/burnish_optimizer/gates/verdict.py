"""What a gate saw of one change, and how a report tells it."""

from dataclasses import dataclass, field

from burnish_engine.report import GateResult, Guarantee
from burnish_optimizer.gates.diff import Region


@dataclass
class Verdict:
    """What the gate saw.

    Args: proved: regions that are the same by their structure.   together: passes judged as one change.
        failed: regions with the figures that they failed by.   fault: structural.
    """

    regions: int = 0
    proved: int = 0
    trials: int = 0
    together: tuple[str, ...] = ()
    fault: str = ""
    failed: dict[Region, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.fault and not self.failed

    def results(self, guarantee: Guarantee) -> tuple[GateResult, ...]:
        """As the report tells it."""
        what = "byte-equal" if guarantee is Guarantee.EXACT else "within-rounding"
        expected = {
            "byte-equal": "every changed region byte-equal on every input",
            "within-rounding": "every changed region within the rounding of its operands, judged in FP64",
        }
        found = f"{len(self.failed)} of {self.regions} regions differ, {self.trials} inputs tried"
        found += f", {self.proved} the same by structure" if self.proved else ""
        found += f" ({', '.join(self.together)} together)" if len(self.together) > 1 else ""
        structure = self.fault or "signature, names, types and order hold"
        return (
            GateResult(
                name="structure",
                passed=not self.fault,
                found=structure,
                expected="a valid graph with the same inputs and outputs",
            ),
            GateResult(name=what, passed=not self.failed, found=found, expected=expected[what]),
        )
