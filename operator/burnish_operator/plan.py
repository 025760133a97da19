"""What is to be done: the only thing that deciding gives to applying."""

from dataclasses import dataclass

from burnish_operator.api import ConditionType
from burnish_operator.limits import Limit
from burnish_operator.ports import Kind, Object


@dataclass(frozen=True)
class Why:
    """On whose behalf an action is done: failures are told in this condition, and for this target."""

    concern: ConditionType
    target: str = ""


@dataclass(frozen=True)
class CreateJob:
    """Create a Job unless one for the same engine is under way anywhere that we can see.

    limits: of Jobs that build at once; where one is reached the turn is put off.
    """

    job: Object
    why: Why
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class Apply:
    """Server-side apply."""

    obj: Object
    why: Why


@dataclass(frozen=True)
class Delete:
    """Delete this very object (by uid) and what depends on it."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    why: Why


@dataclass(frozen=True)
class PutIndex:
    """Push the OCI index of a revision: target name to engine digest."""

    repository: str
    tag: str
    engines: tuple[tuple[str, str], ...]
    why: Why


Action = CreateJob | Apply | Delete | PutIndex
Plan = tuple[Action, ...]
