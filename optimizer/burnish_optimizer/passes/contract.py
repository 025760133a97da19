"""What a pass promises."""

from typing import Protocol

import onnx_ir as ir

from burnish_engine.report import Guarantee


class Pass(Protocol):
    """One rewriting pass.

    `guarantee` exact: outputs stay byte-equal. The pipeline holds it to that; a pass that has nothing
    to do says so by `changed` = 0.
    """

    name: str
    guarantee: Guarantee

    def apply(self, model: ir.Model) -> int:
        """Rewrite in place; how many nodes and initializers it removed.

        Raises: Declined: the model is outside what the pass requires.
        """
