"""The OCI index of a revision: all engines of a model in one object, once every target has one."""

from collections.abc import Mapping
from dataclasses import dataclass

from burnish_engine.digest import of_json
from burnish_operator import names
from burnish_operator.api import ConditionType
from burnish_operator.decide.conditions import Verdict, fails, holds
from burnish_operator.observed import Observed
from burnish_operator.plan import Plan, PutIndex, Why

KIND = ConditionType.PUBLISHED
_REVISION_LENGTH = 10


@dataclass(frozen=True)
class Publication:
    """What is to be pushed, and what the condition Published says until then."""

    verdict: Verdict
    index: str | None
    plan: Plan = ()


def decide(seen: Observed, engines: Mapping[str, str], *, complete: bool) -> Publication:
    """engines: digest by target name. The same engines are the same revision and are pushed once."""
    published = seen.model.status.index
    if not complete or not engines:
        message = "Waits until every target has an engine."
        return Publication(fails(KIND, "WaitingForEngines", message), published)
    revision = of_json(sorted(engines.items())).removeprefix("sha256:")[:_REVISION_LENGTH]
    tag = names.revision_tag(seen.model.namespace, seen.model.name, revision)
    if published and published.startswith(f"{seen.repository}:{tag}@"):
        return Publication(pushed(published), published)
    if seen.model.spec.suspend:
        return Publication(fails(KIND, "Suspended", "Suspended: the index is not pushed."), published)
    action = PutIndex(seen.repository, tag, tuple(sorted(engines.items())), Why(KIND))
    return Publication(fails(KIND, "Publishing", f"Pushing {seen.repository}:{tag}."), published, (action,))


def pushed(index: str) -> Verdict:
    """The condition Published, once the index is in the registry."""
    return holds(KIND, "Published", f"All engines are listed in {index}.")
