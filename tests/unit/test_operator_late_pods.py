"""Why a Job failed is told by its own pods alone, and is not guessed while no word of them came."""

from collections.abc import Callable, Mapping

from burnish_engine.errors import Action
from burnish_operator.ports import POD, Kind, Object
from fakes.cluster import copied
from fakes.fleet import SMALL, Fleet, failing, model, node

Seen = Callable[[list[Object], bool], list[Object]]


def failed(seen: Seen) -> tuple[Fleet, list[bool]]:
    """A model whose Job failed its gate, and whether each look at pods was a fresh one.

    seen: from the pods that are there, and whether they are asked for afresh, those that are told of.
    """
    found = Fleet(node("small-1", SMALL))
    plain, looks = found.cluster.find, list[bool]()

    def find(
        kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, fresh: bool = False
    ) -> list[Object]:
        objects = plain(kind, namespace, labels, fresh=fresh)
        if kind is not POD:
            return objects
        looks.append(fresh)
        return seen(objects, fresh)

    found.cluster.find = find  # type: ignore[method-assign]
    found.verdict = failing("AccuracyGate", Action.STALLED, 1)
    found.cluster.put(model())
    found.settle()
    return found, looks


def told(found: Fleet) -> tuple[str, str | None, int]:
    failure = found.status().targets[0].last_failure
    assert failure is not None
    return failure.reason, failure.retry_at, failure.attempts


def test_the_cause_is_asked_for_once_where_the_pod_was_not_seen() -> None:
    found, looks = failed(lambda pods, fresh: pods if fresh else [])
    assert told(found) == ("AccuracyGate", None, 1)
    asked = sum(looks)
    found.operate()
    assert (sum(looks), asked) == (1, 1)


def _of_an_earlier_job(pod: Object) -> Object:
    other = copied(pod)
    other["metadata"] |= {"ownerReferences": [{"uid": "another", "controller": True}]}
    other["metadata"]["creationTimestamp"] = "2099-01-01T00:00:00Z"
    [container] = other["status"]["containerStatuses"]
    container["state"]["terminated"] = {"exitCode": 137, "reason": "OOMKilled"}
    return other


def test_pods_of_an_earlier_job_of_the_same_name_do_not_count() -> None:
    found, _ = failed(lambda pods, _: [*pods, *map(_of_an_earlier_job, pods)])
    assert told(found)[0] == "AccuracyGate"
