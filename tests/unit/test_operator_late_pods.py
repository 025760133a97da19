"""Word of a failed Job that comes before word of its pod: the cause is not guessed meanwhile."""

from collections.abc import Mapping

from burnish_engine.errors import Action
from burnish_operator.ports import POD, Kind, Object
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
