"""One turn of the loop: what it does where the world moved while it worked."""

from typing import Any

import pytest

from burnish_engine.errors import BurnishError
from burnish_operator.ports import OPTIMIZED_MODEL
from fakes.fleet import SMALL, Fleet, model, node

OTHER = "oci://r.example/models/words:1"


def test_a_status_is_not_written_onto_an_object_that_was_not_read() -> None:
    """Deleted and made anew under the same name, in the midst of a turn: its source is not the old one's."""
    found = Fleet(node("a", SMALL))
    found.registry.tags[OTHER] = "sha256:" + "2" * 64
    found.inventory.reconcile()
    found.cluster.put(model())
    replace_while_it_works(found, model(source={"uri": OTHER}))
    with pytest.raises(BurnishError):
        found.models.reconcile("team", "pages")
    assert found.status().conditions == ()
    found.settle()
    assert found.status().source_digest == found.registry.tags[OTHER]


def replace_while_it_works(found: Fleet, fresh: dict[str, Any]) -> None:
    resolve = found.registry.resolve

    def resolved(uri: str) -> str:
        digest = resolve(uri)
        if found.cluster.objects["OptimizedModel", "team", "pages"]["spec"] != fresh["spec"]:
            found.cluster.remove((OPTIMIZED_MODEL.kind, "team", "pages"))
            found.cluster.put(fresh)
        return digest

    found.registry.resolve = resolved  # type: ignore[method-assign]
