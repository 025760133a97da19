"""Fusing scaled dot-product attention with the splitting and merging of heads around it."""

from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.attention_dims import Dimensions
from burnish_optimizer.rewrite.attention_parts import Parts
from burnish_optimizer.rewrite.attention_read import HEADS_LAST, Attention, head_sizes, heads_of, read
from burnish_optimizer.rewrite.attention_write import Writer
from burnish_optimizer.rewrite.choose import opset
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, dtype, is_op, kernel_type, used_once
from burnish_optimizer.targets.kernels import MICROSOFT

STANDARD_OPSET = 23
MERGED_RANK = 3
BOTH = 2


@dataclass(frozen=True)
class AttentionRule:
    """softmax(scale · Q Kᵀ + masks) V, with its heads split and merged → one attention operator.

    Ends at the Reshape that merges the heads, at the Transpose before it where the Reshape cannot be shown to
    keep batch and rows, or at the last MatMul where nothing follows.
    """

    name: str = "attention"
    anchors: frozenset[str] = frozenset({"MatMul", "Transpose", "Reshape"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        product, writer = _end(node), Writer(Parts(), Dimensions(), node, opset(scope))
        if product is None or _goes_on(node, product, writer):
            return None
        found = read(product, self.name, scope)
        if found is None:
            return None
        merged = self._write(found, writer, scope)
        if merged is None:
            return None
        return _replacement(node, product, found, merged, writer)

    def _write(self, found: Attention, writer: Writer, scope: Scope) -> ir.Value | None:
        element = dtype(found.value.by_heads or found.value.by_rows)
        if element is None:
            scope.decline(self.name, "the element type is not known")
            return None
        kind, opset = kernel_type(element), writer.opset
        has_standard = opset >= STANDARD_OPSET and scope.target.has_kernel("", "Attention", kind, opset)
        has_own = scope.target.has_kernel(MICROSOFT, "MultiHeadAttention", kind)
        causal = has_standard and writer.is_causal(found)
        if has_standard and (causal or not found.masks) and (writer.is_static(found) or not has_own):
            return writer.standard(found, causal=causal)
        if has_own:
            return writer.multi_head(found)
        reason = f"target {scope.target.name} has no attention kernel for {kind} at opset {opset}"
        masked = "ONNX Attention kernels differ on rows in which every key is masked"
        scope.decline(self.name, masked if has_standard else reason)
        return None


def _end(node: ir.Node) -> ir.Node | None:
    """The MatMul of the probabilities and V behind an anchor."""
    if node.op_type == "Reshape":
        transpose = is_op(node.inputs[0], "Transpose")
        node = transpose if transpose is not None else node
    if node.op_type == "Transpose" and attribute(node, "perm") == HEADS_LAST:
        product = is_op(node.inputs[0], "MatMul")
        node = product if product is not None else node
    probabilities = node.inputs[0] if node.op_type == "MatMul" else None
    return node if is_op(probabilities, "Softmax", "Where") is not None else None


def _goes_on(node: ir.Node, product: ir.Node, writer: Writer) -> bool:
    """Whether the pattern ends further down, at an anchor that is yet to come."""
    if node.op_type == "Reshape":
        return not _merges(node, product, writer)
    output = node.outputs[0]
    if node.op_type == "Transpose":
        users = (use.node for use in output.uses())
        return any(user.op_type == "Reshape" and _merges(user, product, writer) for user in users)
    if not used_once(output):
        return False
    user = next(iter(output.uses())).node
    return bool(user.op_type == "Transpose" and attribute(user, "perm") == HEADS_LAST)


def _merges(reshape: ir.Node, product: ir.Node, writer: Writer) -> bool:
    """[B, S, N, H] → [B, S, N·H], batch and rows as they are."""
    source, entries = reshape.inputs[0], writer.dims.entries(reshape.inputs[1])
    if source is None or entries is None or len(entries) != MERGED_RANK:
        return False
    if is_op(source, "Transpose") is None or not _feeds_only(source, reshape):
        return False
    sizes = head_sizes(heads_of(product.inputs[1]))
    wanted = sizes[0] * sizes[1] if sizes is not None else None
    kept = writer.kept(reshape, source, entries)
    return kept == BOTH if entries[2] == -1 else kept > 0 and entries[2] == wanted


def _feeds_only(value: ir.Value, node: ir.Node, depth: int = 8) -> bool:
    """Whether nothing but `node` needs a value (its shape, computed to give `node` its target, included)."""
    if value.is_graph_output() or depth == 0:
        return False
    users = [use.node for use in value.uses() if use.node is not node]
    return all(_feeds_only(output, node, depth - 1) for user in users for output in user.outputs)


def _replacement(
    node: ir.Node, product: ir.Node, found: Attention, merged: ir.Value, writer: Writer
) -> Replacement:
    value = merged
    if node.op_type != "Reshape":
        target = writer.parts.ints(0, 0, found.heads, found.value_size)
        value = writer.parts.op("Reshape", merged, target)
    if node is product:
        value = writer.parts.op("Transpose", value, perm=list(HEADS_LAST))
    made = merged.producer()
    domains = ((MICROSOFT, 1),) if made is not None and made.domain == MICROSOFT else ()
    return Replacement(
        [node.outputs[0]], [value], writer.parts.nodes, writer.parts.constants, domains=domains
    )
