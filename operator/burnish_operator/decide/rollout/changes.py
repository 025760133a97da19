"""From what should be and what is to what is to be done."""

from burnish_operator.api import ConditionType
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observe import Workload
from burnish_operator.observed import Observed
from burnish_operator.plan import Apply, Delete, Plan, Why
from burnish_operator.ports import Kind, Object
from burnish_operator.render.differs import differs


def changes(target: ResolvedTarget, *pairs: tuple[Object, Workload | None]) -> Plan:
    """Apply what was rendered and differs from what is stored."""
    why = Why(ConditionType.ROLLED_OUT, target.name)
    return tuple(
        Apply(wanted, why) for wanted, stored in pairs if stored is None or differs(wanted, stored.raw)
    )


def removal(seen: Observed, target: ResolvedTarget, kind: Kind, workload: Workload | None) -> Plan:
    """Delete what is there."""
    if workload is None or workload.deleting:
        return ()
    why = Why(ConditionType.ROLLED_OUT, target.name)
    return (Delete(kind, seen.model.namespace, workload.name, workload.uid, why),)
