"""Why a Job failed is told by its own pods alone, and is not guessed while no word of them came."""

from collections.abc import Mapping

from burnish_engine.errors import Action
from burnish_operator.ports import POD, Kind, Object
from fakes.cluster import copied
from fakes.fleet import SMALL, Fleet, failing, model, node


class LatePods:
    """A cluster whose mirror knows of no pod yet; `asked` counts how often the API server was."""

    def __init__(self, fleet: Fleet) -> None:
        self._find, self.asked = fleet.cluster.find, 0

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        if kind is not POD:
            return self._find(kind, namespace, labels, fresh=fresh)
        self.asked += fresh
        return self._find(kind, namespace, labels, fresh=True) if fresh else []


def test_the_cause_is_asked_for_once_where_the_pod_was_not_seen() -> None:
    found = Fleet(node("small-1", SMALL))
    late = LatePods(found)
    found.cluster.find = late.find  # type: ignore[method-assign]
    found.verdict = failing("AccuracyGate", Action.STALLED, 1)
    found.cluster.put(model())
    found.settle()
    failure = found.status().targets[0].last_failure
    assert failure is not None
    assert (failure.reason, failure.retry_at, failure.attempts) == ("AccuracyGate", None, 1)
    asked = late.asked
    found.operate()
    assert (late.asked, asked) == (1, 1)


class OtherPods(LatePods):
    """A cluster where a pod of an earlier Job of the same name is there as well, and tells of another end."""

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        found = self._find(kind, namespace, labels, fresh=fresh)
        return [*found, *map(_of_an_earlier_job, found)] if kind is POD else found


def _of_an_earlier_job(pod: Object) -> Object:
    other = copied(pod)
    other["metadata"] |= {"ownerReferences": [{"uid": "another", "controller": True}]}
    other["metadata"]["creationTimestamp"] = "2099-01-01T00:00:00Z"
    [container] = other["status"]["containerStatuses"]
    container["state"]["terminated"] = {"exitCode": 137, "reason": "OOMKilled"}
    return other


def test_pods_of_an_earlier_job_of_the_same_name_do_not_count() -> None:
    found = Fleet(node("small-1", SMALL))
    found.cluster.find = OtherPods(found).find  # type: ignore[method-assign]
    found.verdict = failing("AccuracyGate", Action.STALLED, 1)
    found.cluster.put(model())
    found.settle()
    failure = found.status().targets[0].last_failure
    assert failure is not None
    assert failure.reason == "AccuracyGate"
