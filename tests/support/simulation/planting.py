"""Planting a bug: a function of the operator in the place of the right one, for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Wrong = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class Mutation:
    """A function of `owner` in the place of the right one."""

    name: str
    owner: Any
    attribute: str
    wrong: Wrong

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The operator has the bug within."""
        right = getattr(self.owner, self.attribute)
        kept = self.owner.__dict__[self.attribute]
        setattr(self.owner, self.attribute, self.wrong(right))
        try:
            yield
        finally:
            setattr(self.owner, self.attribute, kept)


MUTATIONS: dict[str, Mutation] = {}


def plant(owner: Any, attribute: str) -> Callable[[Wrong], Wrong]:
    """Register a bug under the name of the function that makes it."""

    def register(wrong: Wrong) -> Wrong:
        MUTATIONS[wrong.__name__] = Mutation(wrong.__name__, owner, attribute, wrong)
        return wrong

    return register
