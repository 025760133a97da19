"""Accelerators, and money, that an engine saves on one target. Pure.

The load is what the replicas can carry with the engine. The original would need
`replicas x optimized throughput / baseline throughput` for it. Parts of an accelerator are told as such:
rounded up, an engine that is a hundredth faster would save a whole one.
"""

from dataclasses import dataclass
from decimal import Decimal

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Price:
    """What a replica's share of hardware costs for an hour."""

    per_replica_hour: Decimal
    currency: str


@dataclass(frozen=True)
class Savings:
    """before, after: accelerators, over all replicas. per_hour: None where no price is known."""

    before: Decimal
    after: Decimal
    per_hour: Decimal | None
    currency: str | None

    @property
    def saved(self) -> Decimal:
        """Accelerators saved; below 0 where the engine needs more."""
        return self.before - self.after


def savings(
    *,
    replicas: int,
    baseline_throughput: float,
    optimized_throughput: float,
    units_per_replica: Decimal = Decimal(1),
    price: Price | None = None,
) -> Savings | None:
    """None where a throughput is missing: nothing can be said then.

    >>> savings(replicas=2, baseline_throughput=100.0, optimized_throughput=180.0).before
    Decimal('3.60')
    """
    if baseline_throughput <= 0 or optimized_throughput <= 0:
        return None
    ratio = Decimal(str(optimized_throughput)) / Decimal(str(baseline_throughput))
    needed = replicas * ratio
    money = price.per_replica_hour * (needed - replicas) if price else None
    return Savings(
        before=(units_per_replica * needed).quantize(_CENT),
        after=units_per_replica * replicas,
        per_hour=money,
        currency=price.currency if price else None,
    )
