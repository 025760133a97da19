"""What a run has finished, on disk: one that was cut short goes on from there.

A journal belongs to one engine key and one set of recipes; another key starts a new one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from burnish_engine.base import Record

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Journal:
    """Records of finished steps, one file each, in a folder that is the key's own."""

    folder: Path

    def read(self, stage: str, name: str, kind: type[R]) -> R | None:
        """What this step gave; None where it has not finished, or its file is of another version."""
        try:
            return kind.model_validate_json(self._file(stage, name).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, stage: str, name: str, record: Record) -> None:
        """This step has finished. Whole or not at all."""
        file = self._file(stage, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(record.model_dump_json(), encoding="utf-8")
        part.replace(file)

    def once(
        self, stage: str, name: str, kind: type[R], step: Callable[[], R], is_good: Callable[[R], bool]
    ) -> R:
        """This step's result: what an earlier run left of it, else taken now, and kept where it is good.

        Args: is_good: whether it is a result at all, and what it tells of is still there.
        """
        found = self.read(stage, name, kind)
        if found is None or not is_good(found):
            found = step()
            if is_good(found):
                self.write(stage, name, found)
        return found

    def _file(self, stage: str, name: str) -> Path:
        return self.folder / stage / f"{name}.json"
