"""What a replica takes of its class's hardware, and what that costs."""

from decimal import Decimal

from burnish_operator.api import AcceleratorClass, SavingsStatus
from burnish_operator.api import parse_quantity as quantity
from burnish_operator.decide.figures import Built
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.savings import Price, savings


def of_target(target: ResolvedTarget, built: Built) -> SavingsStatus | None:
    """The savings of one target, in the status's own record; None where a figure is missing."""
    if built.baseline is None or built.optimized is None:
        return None
    found = savings(
        replicas=target.replicas,
        baseline_throughput=built.baseline.throughput_per_second,
        optimized_throughput=built.optimized.throughput_per_second,
        units_per_replica=accelerators_per_replica(target),
        price=price_per_replica(target),
    )
    if found is None:
        return None
    return SavingsStatus(
        accelerators_before=float(found.before),
        accelerators_after=float(found.after),
        per_hour=None if found.per_hour is None else float(round(found.per_hour, 4)),
        currency=found.currency,
    )


def accelerators_per_replica(target: ResolvedTarget) -> Decimal:
    """Extended resources that a replica takes; on a CPU class a replica is the unit."""
    name = target.accelerator.spec.resource_name
    return quantity(target.resources.limits.get(name, "1")) if name else Decimal(1)


def price_per_replica(target: ResolvedTarget) -> Price | None:
    """Price of a replica's share: its accelerators, or on a CPU class its cores of a node's cores."""
    price = target.accelerator.spec.price_per_hour
    if price is None:
        return None
    amount = Decimal(str(price.amount))
    if target.accelerator.spec.resource_name:
        return Price(amount * accelerators_per_replica(target), price.currency)
    share = _share_of_node(target.accelerator, target.resources.limits.get("cpu"))
    return None if share is None else Price(amount * share, price.currency)


def _share_of_node(accelerator: AcceleratorClass, cpu_limit: str | None) -> Decimal | None:
    status = accelerator.status
    cores = quantity(status.allocatable) if status.allocatable else Decimal(0)
    if cpu_limit is None or not status.nodes or not cores:
        return None
    return min(Decimal(1), quantity(cpu_limit) * status.nodes / cores)
