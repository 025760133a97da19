"""The Deployment of a canary, and the Service that it finds the stable pods by."""

from burnish_operator.api import CanaryPhase, CanaryStatus
from burnish_operator.decide.rollout import room, share
from burnish_operator.decide.rollout.case import Case, address
from burnish_operator.decide.rollout.changes import changes, removal
from burnish_operator.decide.rollout.course import Course
from burnish_operator.plan import Plan
from burnish_operator.ports import DEPLOYMENT, SERVICE
from burnish_operator.render.deployment import render_canary
from burnish_operator.render.service import render_peer


def plan(case: Case, course: Course) -> Plan:
    """What differs from what should be beside the stable pods."""
    if course.canary is None:
        return (*_removed(case, course), *removal(case.seen, case.target, SERVICE, case.found.peer))
    if case.wanted is None:
        # Whether its engine can still be pulled is not known now: what is there stays as it is.
        return ()
    if course.canary.in_place and course.canary.phase is CanaryPhase.PROMOTING:
        # The stable pods get its engine, and need its places for that.
        return removal(case.seen, case.target, DEPLOYMENT, case.found.canary)
    return (*_peer(case), *_canary(case, course.canary))


def _removed(case: Case, course: Course) -> Plan:
    """A canary goes once the stable pods do without it, or wait for its places."""
    canary, stable = case.found.canary, case.found.stable
    helps = canary is not None and canary.engine == course.engine
    done = stable is not None and stable.rolled_out(course.engine, case.target.replicas)
    if helps and not done and room.lacking(case) is None:
        return ()
    return removal(case.seen, case.target, DEPLOYMENT, canary)


def _canary(case: Case, canary: CanaryStatus) -> Plan:
    seen, target, peer = case.seen, case.target, _peer_host(case)
    if peer is None:
        return ()
    count, surges = share.of_canary(case.spec, canary, target.replicas), not canary.in_place
    rendered = render_canary(seen, target, address(canary.reference), count, peer=peer, surges=surges)
    return changes(target, (rendered, case.found.canary))


def _peer_host(case: Case) -> str | None:
    """By its address, for a cluster may have no DNS. "": no peer is wanted; None: it has yet to be made."""
    if not case.compares:
        return ""
    if case.found.peer is None:
        return None
    address_of = str(case.found.peer.raw["spec"].get("clusterIP") or case.found.peer.name)
    return f"[{address_of}]" if ":" in address_of else address_of


def _peer(case: Case) -> Plan:
    if not case.compares:
        return removal(case.seen, case.target, SERVICE, case.found.peer)
    return changes(case.target, (render_peer(case.seen, case.target), case.found.peer))
