"""What is left of targets that a spec no longer asks for."""

from burnish_operator.api import ConditionType
from burnish_operator.observe import Workload
from burnish_operator.observed import Observed
from burnish_operator.plan import Delete, Plan, Why
from burnish_operator.ports import DEPLOYMENT, SERVICE, Kind


def prune(seen: Observed, kept: set[str]) -> Plan:
    """Delete our Deployments and Services of targets that the spec no longer asks for."""
    uid = seen.model.metadata.uid
    found: list[tuple[Kind, Workload]] = [(DEPLOYMENT, d) for d in seen.deployments]
    found += [(SERVICE, s) for s in seen.services]
    gone = [(k, w) for k, w in found if w.owner == uid and not w.deleting and w.name not in kept]
    namespace = seen.model.namespace
    return tuple(
        Delete(kind, namespace, w.name, w.uid, Why(ConditionType.ROLLED_OUT, w.target)) for kind, w in gone
    )
