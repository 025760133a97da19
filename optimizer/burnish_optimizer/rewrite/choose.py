"""Whether an operator may be written: the model's opset has it, and the target runs it on this data."""

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import STANDARD, dtype, kernel_type
from burnish_optimizer.targets.kernels import MICROSOFT, ONNXRUNTIME_CPU

CONTRIB = ((MICROSOFT, 1),)


def opset(scope: Scope) -> int:
    """The version of ONNX's operators that the model imports."""
    return max((scope.opsets.get(domain, 0) for domain in STANDARD), default=0)


def objection(scope: Scope, value: ir.Value | None, op: str, since: int = 1, domain: str = "") -> str:
    """Why `op` may not be written for data like `value`; empty where it may.

    Args: since: the opset that brought this form of the operator.
    """
    kind = dtype(value)
    if kind is None:
        return "the element type is not known"
    if domain == MICROSOFT:
        runs = scope.target.has_kernel(MICROSOFT, op, kernel_type(kind), 1)
        return "" if runs else f"no kernel of {domain}.{op} for {kernel_type(kind)} on {scope.target.name}"
    found = opset(scope)
    if found < since:
        return f"opset {found} has no {op} (since {since})"
    return "" if _standard(scope, op, kind, found) else f"no kernel of {op} for {kernel_type(kind)}"


def may_write(
    scope: Scope, rule: str, value: ir.Value | None, op: str, since: int = 1, *, domain: str = ""
) -> bool:
    """As `objection`, told to the scope where there is one."""
    against = objection(scope, value, op, since, domain)
    if against:
        scope.decline(rule, against)
    return not against


def _standard(scope: Scope, op: str, kind: ir.DataType, version: int) -> bool:
    """A portable model keeps to what runs everywhere: float32, or types that ONNX Runtime has on any CPU."""
    if scope.target.provider:
        return scope.target.has_kernel("", op, kernel_type(kind), version)
    return kind == ir.DataType.FLOAT or ONNXRUNTIME_CPU.has_kernel("", op, kernel_type(kind), version)


def contrib(old: ir.Value, *nodes: ir.Node) -> Replacement:
    """The last of `nodes` in the place of `old`; some of them are ONNX Runtime's own operators."""
    return Replacement([old], [nodes[-1].outputs[0]], nodes, domains=CONTRIB)


def standard(old: ir.Value, *nodes: ir.Node) -> Replacement:
    """The last of `nodes` in the place of `old`."""
    return Replacement([old], [nodes[-1].outputs[0]], nodes)
