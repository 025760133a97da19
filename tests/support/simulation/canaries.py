"""What must hold of canaries: a share and no more, nothing rolled out untried, nothing rejected tried "
"again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from burnish_operator import names
from burnish_operator.ports import DEPLOYMENT, Object
from support.simulation.pools import is_canary
from support.simulation.world import World

_DEFAULT_STEPS = ({"weight": 20},)
_DEFAULT_COUNT = 5


@dataclass(frozen=True)
class Trial:
    """The first time that pods of a canary answered. generation: of the model then."""

    model_uid: str
    generation: int


@dataclass
class Trials:
    """Watches the canaries of one world: by Deployment (namespace, name) and digest."""

    world: World
    seen: dict[tuple[str, str, str], Trial] = field(default_factory=dict)
    served: dict[str, set[str]] = field(default_factory=dict)

    def look(self) -> None:
        """Remember which engines answered as canaries."""
        for deployment in self.world.cluster.of_kind(DEPLOYMENT):
            if not is_canary(deployment):
                continue
            owner = self._owner(deployment)
            for each in self.world.workload(deployment).sets if owner else ():
                if owner and each.ready:
                    trial = Trial(owner["metadata"]["uid"], owner["metadata"]["generation"])
                    self.seen.setdefault((*_target(deployment), digest_of(each.engine)), trial)

    def wrong(self, states: list[Object], deployment: Object, *, quiet: bool) -> str:
        """What is wrong with a Deployment that was just applied; "" if nothing."""
        digest = digest_of(deployment["spec"]["template"]["metadata"]["annotations"][names.ENGINE])
        told = next(self._wrong(states, deployment, digest, quiet=quiet), "")
        self.served.setdefault(deployment["metadata"]["uid"], set()).add(digest)
        return told

    def is_return(self, deployment: Object, digest: str) -> bool:
        """Whether the Deployment served this engine before: it is brought back."""
        return digest in self.served.get(deployment["metadata"]["uid"], set())

    def _wrong(self, states: list[Object], deployment: Object, digest: str, *, quiet: bool) -> Iterator[str]:
        target = deployment["metadata"]["labels"][names.TARGET]
        name = f"{deployment['metadata']['name']} gets {digest[:15]}"
        if states and all(_is_out(state, target, digest) for state in states):
            yield f"{name}, which was rejected, and no one asked for it"
        if is_canary(deployment):
            if not any(_has_canary(state, target, digest) for state in states):
                yield f"{name}, and the status knows of no such canary"
            return
        counts = self.world.cluster.objects[_place(deployment)].get("status", {})
        changed = digest not in self.served.get(deployment["metadata"]["uid"], {digest})
        if quiet and changed and counts.get("readyReplicas") and all(map(_wants_canary, states)):
            yield from self._untried(states[-1], deployment, digest)

    def _untried(self, state: Object, deployment: Object, digest: str) -> Iterator[str]:
        name = f"{deployment['metadata']['name']} gets {digest[:15]}"
        if names.PROMOTE in state["metadata"].get("annotations", {}):
            return
        trial = self.seen.get((*_target(deployment), digest))
        if trial is None:
            yield f"{name}, and no canary of it ever answered"
            return
        spec, metadata = state["spec"]["rollout"], state["metadata"]
        if not spec.get("analysis") or trial != Trial(metadata["uid"], metadata["generation"]):
            return
        needed = len(spec.get("steps") or _DEFAULT_STEPS) * spec["analysis"].get("count", _DEFAULT_COUNT)
        praised = self.world.metrics.praised[metadata["namespace"], metadata["name"], digest]
        if praised < needed:
            yield f"{name}, Prometheus spoke well of it {praised} time(s), and {needed} are needed"

    def _owner(self, deployment: Object) -> Object | None:
        uids = {owner["uid"] for owner in deployment["metadata"].get("ownerReferences", [])}
        return next((m for m in self.world.models() if m["metadata"]["uid"] in uids), None)


def digest_of(engine: str) -> str:
    """Of `oci://…@sha256:…`."""
    return engine.rpartition("@")[2]


def sizes(specs: Iterable[Object], replicas: Iterable[int]) -> set[int]:
    """Pods that a canary may have: within a step's share beside that many others, and one at least."""
    shares = {(count * weight // (100 - weight)) for count in replicas for weight in _weights(specs)}
    return {max(1, share) for share in shares}


def sizes_in_place(specs: Iterable[Object], replicas: Iterable[int]) -> set[tuple[int, int]]:
    """Pods of a canary among so many, and of the others."""
    weights = _weights(specs)
    shares = {(max(1, count * weight // 100), count) for count in replicas for weight in weights if count > 1}
    return {(share, count - share) for share, count in shares}


def _weights(specs: Iterable[Object]) -> set[int]:
    return {
        step["weight"] for spec in specs for step in spec.get("rollout", {}).get("steps") or _DEFAULT_STEPS
    }


def is_in_place(state: Object, target: str) -> bool:
    """Whether the status says that a canary takes the places of stable pods."""
    return bool((_entry(state, target).get("canary") or {}).get("inPlace"))


def out(entry: Object | None) -> bool:
    """Whether the engine that the spec asks for was rejected."""
    engine = (entry or {}).get("engine") or {}
    listed = (entry or {}).get("rejected", [])
    return any(engine.get("digest") == r["digest"] or engine.get("key") == r["key"] for r in listed)


def _is_out(state: Object, target: str, digest: str) -> bool:
    asked = state["metadata"].get("annotations", {})
    if names.RETRY in asked or names.PROMOTE in asked:
        return False
    entry = _entry(state, target)
    return any(rejected["digest"] == digest for rejected in entry.get("rejected", []))


def _has_canary(state: Object, target: str, digest: str) -> bool:
    return bool((_entry(state, target).get("canary") or {}).get("digest") == digest)


def _entry(state: Object, target: str) -> Object:
    listed: list[Object] = state.get("status", {}).get("targets", [])
    return next((entry for entry in listed if names.label_value(entry["name"]) == target), {})


def _wants_canary(state: Object) -> bool:
    return bool(state["spec"].get("rollout", {}).get("strategy") == "Canary")


def _target(deployment: Object) -> tuple[str, str]:
    return deployment["metadata"]["ownerReferences"][0]["uid"], deployment["metadata"]["labels"][names.TARGET]


def _place(deployment: Object) -> tuple[str, str, str]:
    return ("Deployment", deployment["metadata"]["namespace"], deployment["metadata"]["name"])
