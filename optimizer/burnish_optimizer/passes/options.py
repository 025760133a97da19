"""How a rewriting is done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx_ir as ir

OnPass = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Options:
    """How to rewrite.

    Args:
        base: folder of the model's external data.   samples: real inputs, tried first.
        store: moves large new tensors out of memory.
        skip: passes by name that are left out, with the reason.   on_pass: told (position, count, name).
        judges: forks of this process that judge while passes run on; 0: none, judge after every pass.
    """

    base: Path | None = None
    store: Callable[[ir.Model], None] = lambda _model: None
    threads: int = 1
    samples: Sequence[dict[str, Any]] = ()
    seed: int = 0
    skip: Mapping[str, str] = field(default_factory=dict)
    on_pass: OnPass = lambda _position, _count, _name: None
    judges: int = 0
