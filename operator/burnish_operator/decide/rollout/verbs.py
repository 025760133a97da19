"""What people ask of a canary, by annotations that hold the time at which they asked."""

from datetime import datetime
from enum import StrEnum

from burnish_operator import names
from burnish_operator.api import RejectedStatus
from burnish_operator.decide.moments import moment
from burnish_operator.observed import Observed


class Verb(StrEnum):
    """What was asked last."""

    NONE = ""
    PROMOTE = "promote"
    ABORT = "abort"
    RETRY = "retry"


def of_canary(seen: Observed, began: str) -> Verb:
    """What was asked since it began. Of both, what was asked last; at one time, the safe one."""
    start = datetime.fromisoformat(began)
    promote, abort = _asked(seen, names.PROMOTE), _asked(seen, names.ABORT)
    if abort is not None and abort >= start and (promote is None or promote <= abort):
        return Verb.ABORT
    return Verb.PROMOTE if promote is not None and promote > start else Verb.NONE


def of_rejected(seen: Observed, rejected: RejectedStatus) -> Verb:
    """What was asked after it was rejected."""
    time = datetime.fromisoformat(rejected.time)
    for verb, annotation in ((Verb.PROMOTE, names.PROMOTE), (Verb.RETRY, names.RETRY)):
        asked = _asked(seen, annotation)
        if asked is not None and asked > time:
            return verb
    return Verb.NONE


def _asked(seen: Observed, annotation: str) -> datetime | None:
    """In whole seconds, as the status holds times. A time to come is not asked yet."""
    asked = moment(seen.model.metadata.annotations.get(annotation, ""))
    return asked.replace(microsecond=0) if asked is not None and asked <= seen.now else None
