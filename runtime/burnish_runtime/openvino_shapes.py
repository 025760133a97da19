"""Refuse shapes that a model cannot compute, because OpenVINO itself does not.

With dynamic dimensions that do not fit each other (2 rows plus 5 rows), the CPU plugin of OpenVINO
2026.4 neither fails nor computes: it answers with nothing, or with what its buffers hold of an
*earlier request*. Its own shape inference knows better, so that is asked first, once per set of shapes.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from burnish_runtime.check import format_shape
from burnish_runtime.errors import InvalidInput

Shapes = tuple[tuple[int, ...], ...]
# Enough for every bucket of a text model; bounded, because callers choose the shapes.
REMEMBERED = 1024


class ShapeGuard:
    """Runs shape inference on the uncompiled model, which shares its weights with the compiled one."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        self._model, self._names = model, tuple(names)
        self._is_dynamic = any(port.get_partial_shape().is_dynamic for port in model.inputs)
        self._fitting: OrderedDict[Shapes, None] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, shapes: Shapes) -> None:
        """Let shapes pass that the model can compute, in the order of its inputs.

        Raises: InvalidInput.
        """
        if not self._is_dynamic:
            return
        with self._lock:
            if shapes in self._fitting:
                self._fitting.move_to_end(shapes)
                return
            self._infer(shapes)
            self._fitting[shapes] = None
            if len(self._fitting) > REMEMBERED:
                self._fitting.popitem(last=False)

    def _infer(self, shapes: Shapes) -> None:
        try:
            self._model.reshape({index: list(shape) for index, shape in enumerate(shapes)})
        except RuntimeError as error:
            found = ", ".join(
                f"{name}: {format_shape(shape)}" for name, shape in zip(self._names, shapes, strict=True)
            )
            raise InvalidInput(
                "inputs", found=found, expected="shapes that fit the model and each other"
            ) from error
