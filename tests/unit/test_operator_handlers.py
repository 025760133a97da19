"""Who is woken by what."""

import asyncio
from typing import Any

from burnish_operator.handlers import INVENTORY, Key, Waker
from fakes.fleet import SMALL, model, node

MODEL = Key("team", "pages")


def woken(*calls: tuple[str, Any]) -> list[Key]:
    """Keys woken by the last call."""
    keys: list[Key] = []

    async def scenario() -> None:
        async def wake(key: Key) -> None:
            keys.append(key)

        waker = Waker(wake)
        for name, arguments in calls:
            keys.clear()
            await getattr(waker, name)(*arguments)

    asyncio.run(scenario())
    return keys


def known(**spec: Any) -> tuple[str, Any]:
    return "model", ({"type": "ADDED"}, model(**spec))


def test_an_owned_object_wakes_its_own_model_alone() -> None:
    job = {"metadata": {"name": "j", "namespace": "team", "labels": {"burnish.dev/model": "pages"}}}
    other = ("model", ({"type": "ADDED"}, model(namespace="other")))
    assert woken(known(), other, ("owned", (job,))) == [MODEL]


def test_a_class_wakes_everyone() -> None:
    assert woken(known(), ("accelerator_class", ())) == [INVENTORY, MODEL]


def test_a_heartbeat_or_a_foreign_label_wakes_nobody() -> None:
    first = ("node", ({"type": "ADDED"}, node("a", SMALL)))
    same = ("node", ({"type": "MODIFIED"}, node("a", SMALL | {"team": "x"})))
    assert woken(first) == [INVENTORY]
    assert woken(first, same) == []


def test_what_defines_hardware_wakes_the_inventory() -> None:
    first = ("node", ({"type": "ADDED"}, node("a", SMALL)))
    for changed in (node("a", SMALL, ready="False"), node("a", SMALL, unschedulable=True)):
        assert woken(first, ("node", ({"type": "MODIFIED"}, changed))) == [INVENTORY]
    assert woken(first, ("node", ({"type": "DELETED"}, node("a", SMALL)))) == [INVENTORY]


def test_nodes_that_are_gone_take_no_room() -> None:
    async def wake(_: Key) -> None:
        return

    waker = Waker(wake)
    before = vars(waker).copy() | {"_nodes": {}}
    for name in ("a", "b"):
        for kind in ("ADDED", "DELETED"):
            asyncio.run(waker.node({"type": kind}, node(name, SMALL)))
    assert vars(waker) == before


def test_a_label_that_a_model_selects_by_wakes_that_model() -> None:
    selecting = known(targets=[{"name": "gold", "nodeSelector": {"pool": "gold"}}])
    first = ("node", ({"type": "ADDED"}, node("a", SMALL)))
    labelled = ("node", ({"type": "MODIFIED"}, node("a", SMALL | {"pool": "gold"})))
    assert woken(selecting, first, labelled) == [INVENTORY, MODEL]
