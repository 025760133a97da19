"""What the model's URIs point at, and what that means for its conditions."""

from burnish_engine.errors import BurnishError, StalledError
from burnish_operator.api import ConditionType, OptimizedModel
from burnish_operator.decide.conditions import Verdict, holds, of_error
from burnish_operator.observed import Resolved

KIND = ConditionType.SOURCE_RESOLVED
LOOK_AGAIN_SECONDS = 60.0
_ROLES = ("source", "calibration", "evaluation")


class Unpinned(StalledError):
    """A file over https without the digest that pins it."""


def pinned(model: OptimizedModel, role: str) -> str | None:
    """The digest that is known already: given in the spec, or resolved for this generation before.

    A tag is resolved once a change of the spec: moving it changes nothing behind the user's back.
    """
    part = getattr(model.spec, role)
    if part is None:
        return None
    if part.digest:
        return str(part.digest)
    judged = model.status.observed_generation == model.metadata.generation
    return getattr(model.status, f"{role}_digest") if judged else None


def unpinned(uri: str) -> Unpinned:
    """The refusal of an https URI without a digest (the CRD refuses it too)."""
    return Unpinned(
        uri, found="no digest", expected="sha256:…", remedy="Add `digest`; `sha256sum` prints it."
    )


def judge(resolved: Resolved) -> Verdict:
    """The condition SourceResolved."""
    errors = resolved.errors()
    if errors:
        return of_error(KIND, errors[0])
    known = [(role, getattr(resolved, role)) for role in _ROLES]
    told = ", ".join(f"{role} {digest[:19]}…" for role, digest in known if digest)
    return holds(KIND, "Resolved", f"Pinned: {told}.")


def digest_or_none(value: str | BurnishError | None) -> str | None:
    """A digest, where there is one."""
    return value if isinstance(value, str) else None
