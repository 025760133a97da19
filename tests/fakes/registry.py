"""A registry in memory."""

from collections.abc import Callable, Mapping

from burnish_engine import outcome as outcomes
from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.digest import of_json
from burnish_engine.errors import BurnishError, NotFound
from burnish_operator.ports import Engine
from support import engines as samples


class FakeRegistry:
    """Implements `ports.Registry`. `error`, when set, is what every question is answered with."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.engines: dict[str, Engine] = {}
        self.indexes: dict[str, dict[str, str]] = {}
        self.error: BurnishError | None = None
        self.asked: list[str] = []
        self.describe: Callable[[str], EngineDescriptor] = samples.descriptor

    def resolve(self, uri: str) -> str:
        self._ask(f"resolve {uri}")
        if uri not in self.tags:
            raise NotFound(uri, found="nothing (404)", expected="an artifact in the registry")
        return self.tags[uri]

    def find_engine(self, repository: str, key: str, *, fresh: bool = False) -> Engine | None:
        self._ask(f"find{' fresh' if fresh else ''} {repository}:{key}")
        return self.engines.get(f"{repository}:{key}")

    def put_index(self, repository: str, tag: str, engines: Mapping[str, str]) -> str:
        self._ask(f"index {repository}:{tag}")
        self.indexes[f"{repository}:{tag}"] = dict(engines)
        return of_json(sorted(engines.items()))

    def push(self, where: str) -> Engine:
        """What an optimizer Job does in the end; `where` is `<repository>:<key>`."""
        repository, _, key = where.rpartition(":")
        digest = of_json(where)
        outcome = outcomes.of_report(samples.report(key), digest, "Twice as fast.")
        descriptor = self.describe(key)
        selected = samples.report(key).selected.model_copy(
            update={
                "backend": descriptor.backend,
                "precision": descriptor.precision,
                "recipe": descriptor.recipe,
            }
        )
        outcome = outcome.model_copy(update={"selected": selected})
        self.engines[where] = Engine(f"oci://{repository}@{digest}", digest, outcome, descriptor)
        return self.engines[where]

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error
