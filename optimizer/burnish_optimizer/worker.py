"""A process for what may break: `python -m burnish_optimizer.worker TASK.json RESULT.json PARENT`.

The task names a function; its result is written as JSON: `{"ok": …}`, `{"declined": reason}` or
`{"error": {"type", "message", "full"}}`. Anything else (a crash, a kill) leaves no file, which says it all.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from burnish_engine.base import Record
from burnish_engine.errors import BurnishError
from burnish_engine.faults import is_full
from burnish_optimizer.errors import Declined
from burnish_optimizer.lifetime import die_with_parent

# Ends a process that had no room for its result.
NO_SPACE_CODE = 74


def resolve(name: str) -> Callable[..., Any]:
    """The function behind `module:function`."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def run_task(data: dict[str, Any]) -> dict[str, Any]:
    """Run one task, given as JSON's objects. Never raises: the answer says what happened."""
    try:
        function = resolve(data["run"])
        task_type = function.__annotations__["task"]
        result = function(task=task_type.model_validate(data))
    except Declined as reason:
        return {"declined": str(reason)}
    except Exception as error:  # noqa: BLE001 - the candidate's end, told to the search
        with suppress(OSError):  # the log's disk may be full as well
            traceback.print_exc()
        told = {"type": type(error).__name__, "message": _message(error), "full": is_full(error)}
        return {"error": told}
    return {"ok": result.model_dump(mode="json") if isinstance(result, Record) else None}


def main(arguments: list[str]) -> int:
    """Run the task file; 0 unless the process itself fails."""
    *paths, parent = arguments
    die_with_parent(int(parent))
    task, result = map(Path, paths)
    answer = run_task(json.loads(task.read_bytes()))
    temporary = result.with_suffix(".part")
    try:
        temporary.write_text(json.dumps(answer), encoding="utf-8")
        temporary.replace(result)
    except OSError as error:
        if is_full(error):
            return NO_SPACE_CODE
        raise
    return 0


def _message(error: Exception) -> str:
    text = str(error) if isinstance(error, BurnishError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:1000]


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Libraries' thread pools and their destructors have crashed at exit; the result is already written.
    os._exit(code)
