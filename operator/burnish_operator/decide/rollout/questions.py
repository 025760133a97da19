"""What deciding about rollouts needs to know: gathering asks here before it asks the world."""

from collections.abc import Iterable

from burnish_engine.oci.reference import SCHEME
from burnish_operator import names
from burnish_operator.decide.keys import key_of
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Found, Observed
from burnish_operator.ports import Engine


def new_keys(seen: Observed, found: Iterable[ResolvedTarget]) -> set[str]:
    """Keys whose engines, if there are any, would be new to the pods of a target."""
    spec = seen.model.spec
    if spec.suspend or not spec.serving.enabled:
        return set()
    keys = {target.name: key_of(seen, target) for target in found}
    return {key for name, key in keys.items() if key and not _is_served(seen, name, key)}


def is_new(seen: Observed, found: Found) -> bool:
    """Whether pods are wanted for this engine, and there are none that are told to serve it."""
    spec = seen.model.spec
    if spec.suspend or not spec.serving.enabled or not isinstance(found, Engine):
        return False
    return all(deployment.engine.rpartition("@")[2] != found.digest for deployment in seen.deployments)


def _is_served(seen: Observed, target: str, key: str) -> bool:
    old = seen.model.status.target(target)
    if old is None or old.engine is None or old.engine.key != key:
        return False
    place = (names.workload_name(seen.model.name, target), f"{SCHEME}{old.engine.reference}")
    return any((deployment.name, deployment.engine) == place for deployment in seen.deployments)
