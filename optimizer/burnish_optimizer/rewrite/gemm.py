"""Matrix products: bias and transposes taken into Gemm, transposes and scales into FusedMatMul."""

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import inner, product
from burnish_optimizer.rewrite.choose import contrib, may_write, objection, standard
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, dtype, node_of, rank, shape
from burnish_optimizer.targets.kernels import MICROSOFT

FUSED = f"{MICROSOFT}::FusedMatMul"
PRODUCTS = frozenset({"MatMul", FUSED})


class MatMulAdd:
    """A · B + c = Gemm(A, B, c) for matrices; Gemm(A, B) + c too"""

    name, anchors = "matmul-add", frozenset({"Add"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        for value, bias in (node.inputs, node.inputs[::-1]):
            below = inner(value, "MatMul", "Gemm")
            if (
                below is None
                or bias is None
                or len(below.inputs) > 2
                or any(rank(v) != 2 for v in below.inputs)
            ):
                continue
            if not _is_bias(bias, below):
                scope.decline(self.name, "the addend does not surely broadcast to the product")
                continue
            if not may_write(scope, self.name, value, "Gemm", 7):
                continue
            attributes = {key: attribute(below, key) for key in below.attributes}
            return standard(node.outputs[0], node_of("Gemm", [*below.inputs, bias], attributes))
        return None


class GemmTranspose:
    """Gemm(Aᵀ, B, c) = Gemm(A, B, c, transA = 1), and so for B"""

    name, anchors = "gemm-transpose", frozenset({"Gemm"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inputs, flags = list(node.inputs), {}
        for place, flag in enumerate(("transA", "transB")):
            below = inner(inputs[place], "Transpose")
            if below is not None and rank(inputs[place]) == 2 and _swaps(below):
                inputs[place], flags[flag] = below.inputs[0], 1 - attribute(node, flag, 0)
        if not flags:
            return None
        attributes = {key: attribute(node, key) for key in node.attributes} | flags
        return standard(node.outputs[0], node_of("Gemm", inputs, attributes))


class MatMulTranspose:
    """A · Bᵀ = FusedMatMul(A, B, transB = 1), where the transpose swaps the last two axes; so for A"""

    name, anchors = "matmul-transpose", PRODUCTS

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        inputs, flags = list(node.inputs), {}
        for place, flag in enumerate(("transA", "transB")):
            below = inner(inputs[place], "Transpose")
            if below is not None and _swaps(below):
                inputs[place], flags[flag] = below.inputs[0], 1 - attribute(node, flag, 0)
        if not flags or not may_write(scope, self.name, node.inputs[0], "FusedMatMul", domain=MICROSOFT):
            return None
        return _fused(node, node.outputs[0], inputs, flags)


class MatMulScale:
    """(A · B) · c = FusedMatMul(A, B, alpha = c), and (c · A) · B too"""

    name, anchors = "matmul-scale", PRODUCTS | {"Mul", "Div"}

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = self._behind(node) if node.op_type in ("Mul", "Div") else self._before(node)
        if found is None:
            return None
        below, inputs, scale = found
        if objection(scope, below.inputs[0], "FusedMatMul", domain=MICROSOFT):
            return None
        alpha = {"alpha": scale * attribute(below, "alpha", 1.0)}
        return _fused(below, node.outputs[0], inputs, alpha)

    def _behind(self, node: ir.Node) -> tuple[ir.Node, list[ir.Value | None], float] | None:
        whole = product(node.outputs[0])
        below = inner(whole.factors[0], *PRODUCTS) if len(whole.factors) == 1 else None
        return (below, list(below.inputs), whole.scale) if below is not None else None

    def _before(self, node: ir.Node) -> tuple[ir.Node, list[ir.Value | None], float] | None:
        inputs, scale = list(node.inputs), 1.0
        for place in (0, 1):
            below = inner(inputs[place], "Mul", "Div")
            whole = product(below.outputs[0]) if below is not None else None
            if whole is not None and len(whole.factors) == 1 and whole.factors[0] is not inputs[place]:
                inputs[place], scale = whole.factors[0], scale * whole.scale
        return (node, inputs, scale) if inputs != list(node.inputs) else None


class GemmActivation:
    """f(Gemm(A, B, c)) = FusedGemm(A, B, c, activation = f)"""

    name = "gemm-activation"
    # ONNX Runtime 1.32, contrib_ops/cpu/fused_gemm.cc; parameters by name.
    PARAMETERS = {  # noqa: RUF012 - read only
        "Relu": {},
        "Sigmoid": {},
        "Tanh": {},
        "LeakyRelu": {"alpha": 0.01},
        "Elu": {"alpha": 1.0},
        "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    }
    anchors = frozenset(PARAMETERS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        below = inner(node.inputs[0], "Gemm")
        if below is None or not may_write(scope, self.name, node.inputs[0], "FusedGemm", domain=MICROSOFT):
            return None
        attributes = {key: attribute(below, key) for key in below.attributes}
        attributes["activation"] = node.op_type
        for key, default in self.PARAMETERS[node.op_type].items():
            attributes[f"activation_{key}"] = float(attribute(node, key, default))
        made = node_of("FusedGemm", list(below.inputs), attributes, domain=MICROSOFT)
        return contrib(node.outputs[0], made)


def _fused(
    node: ir.Node, old: ir.Value, inputs: list[ir.Value | None], changes: dict[str, float]
) -> Replacement:
    attributes = {key: attribute(node, key) for key in node.attributes} | changes
    return contrib(old, node_of("FusedMatMul", inputs, attributes, domain=MICROSOFT))


def _swaps(node: ir.Node) -> bool:
    """Whether a Transpose swaps the last two axes, and leaves the rest."""
    dims = rank(node.inputs[0])
    if dims is None or dims < 2:
        return False
    wanted = (*range(dims - 2), dims - 1, dims - 2)
    return tuple(attribute(node, "perm", tuple(range(dims))[::-1])) == wanted


def _is_bias(value: ir.Value, node: ir.Node) -> bool:
    """Whether `value` surely broadcasts to the product [M, N], and not the product to it."""
    dims, whole = shape(value), shape(node.outputs[0])
    if dims is None or whole is None or len(dims) > 2 or dtype(value) != dtype(node.outputs[0]):
        return False
    return all(
        one == 1 or (one is not None and one == two)
        for one, two in zip(dims, whole[2 - len(dims) :], strict=True)
    )
