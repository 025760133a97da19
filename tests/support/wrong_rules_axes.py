"""Wrong places: axes, permutations, indices, shapes, and dimensions that only a dynamic model shows."""

import numpy as np
import onnx_ir as ir

from support.wrong_rules import FAULTS, ROUNDING, Draft, host, ints, weights, wrong

__all__ = ["FAULTS"]

CUBE = "float[N,4,4] x", "float[N,4,4] y"
SQUARE = "float[4,4] x", "float[4,4] y"


@wrong("Transpose", host(*CUBE, "y = Transpose<perm = [0, 2, 1]>(x)"))
def transpose_dropped(node: ir.Node, draft: Draft) -> object:
    """xᵀ = x."""
    return draft("Identity", node.inputs[0])


@wrong("Transpose", host("float[3,3,3] x", "float[3,3,3] y", "y = Transpose<perm = [1, 2, 0]>(x)"))
def permutation_inverted(node: ir.Node, draft: Draft) -> object:
    """Transpose(x, p) = Transpose(x, p⁻¹)."""
    return draft.again(node, perm=[2, 0, 1])


@wrong(
    "Transpose",
    host(
        "float[3,3,3] x",
        "float[3,3,3] y",
        "t = Transpose<perm = [1, 2, 0]>(x) y = Transpose<perm = [1, 2, 0]>(t)",
    ),
)
def transposes_that_are_no_inverses(node: ir.Node, draft: Draft) -> object:
    """Transpose(Transpose(x, p), p) = x."""
    inner = node.inputs[0].producer()
    return draft("Identity", inner.inputs[0]) if inner else None


@wrong("Softmax", host(*CUBE, "y = Softmax<axis = 1>(x)"), ROUNDING)
def softmax_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """Softmax(x, 1) = Softmax(x)."""
    return draft.again(node, axis=None)


@wrong("Concat", host("float[4,4] a, float[4,4] b", "float[P,Q] y", "y = Concat<axis = 0>(a, b)"))
def concat_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """Concat(a, b; 0) = Concat(a, b; 1)."""
    return draft.again(node, axis=1)


@wrong("Concat", host("float[N,4] a, float[N,4] b", "float[N,8] y", "y = Concat<axis = 1>(a, b)"))
def concat_in_the_other_order(node: ir.Node, draft: Draft) -> object:
    """Concat(a, b) = Concat(b, a)."""
    return draft.again(node, inputs=node.inputs[::-1])


@wrong("Gather", host(*SQUARE, "y = Gather<axis = 1>(x, i)", i=ints(2, 0, 3, 1)))
def gather_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """x[:, i] = x[i]."""
    return draft.again(node, axis=0)


@wrong("Gather", host("float[N,6] x", "float[N,3] y", "y = Gather<axis = 1>(x, i)", i=ints(0, 4, 2)))
def gather_off_by_one(node: ir.Node, draft: Draft) -> object:
    """x[:, i] = x[:, i + 1]."""
    moved = draft("Add", node.inputs[1], draft.constant([1], np.int64))
    return draft.again(node, inputs=[node.inputs[0], moved])


@wrong("Gather", host("float[N,6] x", "float[N,2] y", "y = Gather<axis = 1>(x, i)", i=ints(-1, 0)))
def negative_index_as_zero(node: ir.Node, draft: Draft) -> object:
    """x[:, i] = x[:, max(i, 0)]."""
    clipped = draft("Max", node.inputs[1], draft.constant([0], np.int64))
    return draft.again(node, inputs=[node.inputs[0], clipped])


@wrong(
    "GatherElements", host(*SQUARE, "y = GatherElements<axis = 1>(x, i)", i=np.tile(ints(1, 0, 3, 2), (4, 1)))
)
def gather_elements_of_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """GatherElements(x, i; 1) = GatherElements(x, i; 0)."""
    return draft.again(node, axis=0)


@wrong(
    "ReduceSum", host("float[N,4,4] x", "float[N,4] y", "y = ReduceSum<keepdims = 0>(x, axes)", axes=ints(1))
)
def reduced_over_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """Σ over axis 1 = Σ over axis 2."""
    return draft.again(node, inputs=[node.inputs[0], draft.constant([2], np.int64)])


@wrong(
    "ReduceMean", host("float[N,M,4] x", "float[N,P,Q] y", "y = ReduceMean(x, axes)", axes=ints(2)), ROUNDING
)
def reduced_over_one_axis_too_many(node: ir.Node, draft: Draft) -> object:
    """Mean over axis 2 = mean over axes 1 and 2."""
    return draft.again(node, inputs=[node.inputs[0], draft.constant([1, 2], np.int64)])


@wrong(
    "Sub",
    host(*CUBE, "m = ReduceMean(x, axes) y = Sub(x, m)", axes=ints(2)),
    ROUNDING,
)
def kept_axis_lost(node: ir.Node, draft: Draft) -> object:
    """x - mean(x, keepdims) = x - mean(x), broadcast as it comes."""
    x, mean = node.inputs
    squeezed = draft("ReduceMean", *mean.producer().inputs, keepdims=0)
    lifted = draft("Unsqueeze", squeezed, draft.constant([1], np.int64))
    return draft("Sub", x, lifted)


@wrong(
    "Slice", host("float[N,6] x", "float[N,4] y", "y = Slice(x, a, b, c)", a=ints(0), b=ints(4), c=ints(1))
)
def slice_off_by_one(node: ir.Node, draft: Draft) -> object:
    """x[:, 0:4] = x[:, 1:5]."""
    x, _, _, axes = node.inputs
    return draft("Slice", x, draft.constant([1], np.int64), draft.constant([5], np.int64), axes)


@wrong(
    "Slice",
    host(
        "float[N,6] x",
        "float[N,6] y",
        "y = Slice(x, a, b, c, d)",
        a=ints(5),
        b=ints(-7),
        c=ints(1),
        d=ints(-1),
    ),
)
def reversal_lost(node: ir.Node, draft: Draft) -> object:
    """x[:, ::-1] = x."""
    return draft("Identity", node.inputs[0])


@wrong(
    "Slice", host("float[N,M] x", "float[N,P] y", "y = Slice(x, a, b, c)", a=ints(0), b=ints(8), c=ints(1))
)
def slice_of_all_where_the_axis_is_dynamic(node: ir.Node, draft: Draft) -> object:
    """x[:, 0:8] = x, as it was in the one probe that was looked at."""
    return draft("Identity", node.inputs[0])


@wrong("Pad", host("float[N,4] x", "float[N,7] y", "y = Pad(x, pads)", pads=ints(0, 1, 0, 2)))
def pads_swapped(node: ir.Node, draft: Draft) -> object:
    """Pad(x, before, after) = Pad(x, after, before)."""
    return draft("Pad", node.inputs[0], draft.constant([0, 2, 0, 1], np.int64))


@wrong(
    "Pad", host("float[N,4] x", "float[N,7] y", 'y = Pad<mode = "reflect">(x, pads)', pads=ints(0, 1, 0, 2))
)
def pad_mode_lost(node: ir.Node, draft: Draft) -> object:
    """Pad(x, reflect) = Pad(x, edge)."""
    return draft.again(node, mode="edge")


@wrong(
    "Pad", host("float[N,4] x", "float[N,7] y", "y = Pad(x, pads, v)", pads=ints(0, 1, 0, 2), v=np.float32(3))
)
def pad_value_lost(node: ir.Node, draft: Draft) -> object:
    """Pad(x, pads, v) = Pad(x, pads)."""
    return draft("Pad", *node.inputs[:2])


@wrong("Reshape", host("float[N,2,M] x", "float[P,Q] y", "y = Reshape(x, s)", s=ints(0, -1)))
def reshape_zero_and_minus_one_confused(node: ir.Node, draft: Draft) -> object:
    """Reshape(x, [0, -1]) = Reshape(x, [-1, 0])."""
    return draft("Reshape", node.inputs[0], draft.constant([-1, 0], np.int64))


@wrong(
    "Reshape",
    host(
        "float[N,3,4] x",
        "float[N,12] y",
        "n = Shape<start = 0, end = 1>(x) s = Concat<axis = 0>(n, rest) y = Reshape(x, s)",
        rest=ints(-1),
    ),
)
def dynamic_dimension_frozen(node: ir.Node, draft: Draft) -> object:
    """Reshape(x, [N, -1]) = Reshape(x, [2, -1]), as N was in one probe."""
    return draft("Reshape", node.inputs[0], draft.constant([2, -1], np.int64))


@wrong("Expand", host("float[N,1] x, float[N,M] z", "float[N,M] y", "s = Shape(z) y = Expand(x, s)"))
def expand_dropped_where_one_probe_had_ones(node: ir.Node, draft: Draft) -> object:
    """Expand(x, shape) = x, as it was where M = 1."""
    return draft("Identity", node.inputs[0])


@wrong("Squeeze", host("float[N,1,4] x", "float[P,4] y", "y = Squeeze(x, axes)", axes=ints(1)))
def squeeze_of_every_one(node: ir.Node, draft: Draft) -> object:
    """Squeeze(x, axes) = Squeeze(x), right until N = 1."""
    return draft("Squeeze", node.inputs[0])


@wrong("Flatten", host("float[N,3,4] x", "float[P,Q] y", "y = Flatten<axis = 1>(x)"))
def flattened_at_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """Flatten(x, 1) = Flatten(x, 2)."""
    return draft.again(node, axis=2)


@wrong(
    "Add",
    host("float[4] x, float[4,4] z", "float[4,4] y", "c = Unsqueeze(x, axes) y = Add(c, z)", axes=ints(1)),
)
def unsqueezed_at_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """Unsqueeze(x, 1) + z = Unsqueeze(x, 0) + z."""
    column, z = node.inputs
    row = draft("Unsqueeze", column.producer().inputs[0], draft.constant([0], np.int64))
    return draft("Add", row, z)


@wrong(
    "Split",
    host("float[N,4] x", "float[N,2] y, float[N,2] z", "y, z = Split<axis = 1, num_outputs = 2>(x)"),
)
def parts_of_split_swapped(node: ir.Node, draft: Draft) -> object:
    """(y, z) = Split(x) is (z, y)."""
    return draft.again(node)[::-1]


@wrong("ArgMax", host("float[N,4,4] x", "int64[N,1,4] y", "y = ArgMax<axis = 1>(x)"))
def last_of_equals(node: ir.Node, draft: Draft) -> object:
    """ArgMax(x) = ArgMax(x, select_last_index)."""
    return draft.again(node, select_last_index=1)


@wrong("ArgMax", host("float[N,4,4] x", "int64[N,4] y", "y = ArgMax<axis = 1, keepdims = 0>(x)"))
def argmax_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """ArgMax(x, 1) = ArgMax(x, 2)."""
    return draft.again(node, axis=2)


@wrong("TopK", host("float[N,6] x", "float[N,2] y, int64[N,2] z", "y, z = TopK(x, k)", k=ints(2)))
def smallest_for_largest(node: ir.Node, draft: Draft) -> object:
    """TopK(x, largest) = TopK(x, smallest)."""
    return draft.again(node, largest=0)


@wrong("EyeLike", host("float[5,5] x", "float[5,5] y", "y = EyeLike<k = 1>(x)"))
def diagonal_moved(node: ir.Node, draft: Draft) -> object:
    """EyeLike(x, k) = EyeLike(x)."""
    return draft.again(node, k=None)


HOT = "i = Mod(x, depth) y = OneHot(i, depth, values)"
ONE_HOT = {"depth": np.int64(3), "values": np.array([0.5, 2.0], np.float32)}


@wrong(
    "OneHot", host("int64[3] x", "float[3,3] y", "i = Mod(x, depth) y = OneHot(i, depth, values)", **ONE_HOT)
)
def one_hot_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """OneHot(i, -1) = OneHot(i, 0)."""
    return draft.again(node, axis=0)


@wrong(
    "OneHot", host("int64[3] x", "float[3,3] y", "i = Mod(x, depth) y = OneHot(i, depth, values)", **ONE_HOT)
)
def one_hot_values_swapped(node: ir.Node, draft: Draft) -> object:
    """OneHot(i, [off, on]) = OneHot(i, [on, off])."""
    indices, depth, _ = node.inputs
    return draft("OneHot", indices, depth, draft.constant([2.0, 0.5]))


@wrong("CumSum", host("float[N,5] x", "float[N,5] y", "y = CumSum(x, axis)", axis=np.int64(1)), ROUNDING)
def cumulative_sum_made_exclusive(node: ir.Node, draft: Draft) -> object:
    """CumSum(x) = CumSum(x, exclusive)."""
    return draft.again(node, exclusive=1)


@wrong(
    "CumSum",
    host("float[N,5] x", "float[N,5] y", "y = CumSum<reverse = 1>(x, axis)", axis=np.int64(1)),
    ROUNDING,
)
def cumulative_sum_from_the_other_end(node: ir.Node, draft: Draft) -> object:
    """CumSum(x, reverse) = CumSum(x)."""
    return draft.again(node, reverse=0)


@wrong("Trilu", host(*SQUARE, "y = Trilu<upper = 0>(x)"))
def upper_for_lower(node: ir.Node, draft: Draft) -> object:
    """Tril(x) = Triu(x)."""
    return draft.again(node, upper=1)


@wrong("Tile", host("float[N,3] x", "float[N,6] y", "y = Tile(x, r)", r=ints(1, 2)))
def tile_as_repeat(node: ir.Node, draft: Draft) -> object:
    """Tile([a b], 2) = [a a b b]."""
    lifted = draft("Unsqueeze", node.inputs[0], draft.constant([2], np.int64))
    doubled = draft("Concat", lifted, lifted, axis=2)
    return draft("Reshape", doubled, draft.constant([-1, 6], np.int64))


@wrong("DepthToSpace", host("float[N,8,2,2] x", "float[N,2,4,4] y", "y = DepthToSpace<blocksize = 2>(x)"))
def depth_to_space_of_the_other_mode(node: ir.Node, draft: Draft) -> object:
    """DepthToSpace(x, DCR) = DepthToSpace(x, CRD)."""
    return draft.again(node, mode="CRD")


@wrong("Identity", host("float[N,4] x", "float[N,4] y", "r = Relu(x) y = Identity(r)"))
def batch_rows_reversed(node: ir.Node, draft: Draft) -> object:
    """x = x[::-1]: right for one row."""
    if node.outputs[0].name != "y":
        return None
    numbers = [draft.constant([value], np.int64) for value in (-1, -(2**62), 0, -1)]
    return draft("Slice", node.inputs[0], *numbers)


@wrong("Relu", host("float[N,4] x", "float[N,4] y", "y = Relu(x)"), ROUNDING)
def batch_rows_mixed(node: ir.Node, draft: Draft) -> object:
    """x = (x + mean of the batch) / 2: right for one row and for equal rows."""
    mean = draft("ReduceMean", *draft.again(node), draft.constant([0], np.int64))
    return draft("Mul", draft("Add", draft.nodes[0].outputs[0], mean), draft.constant(0.5))


@wrong("Range", host("int64 n", "int64[P] y", "y = Range(zero, n, one)", zero=np.int64(0), one=np.int64(1)))
def range_off_by_one(node: ir.Node, draft: Draft) -> object:
    """Range(0, n) = Range(0, n) + 1."""
    return draft("Add", *draft.again(node), draft.constant(1, np.int64))


@wrong("Add", host("float[N,4] x", "float[N,4] y", "c = Add(one, one) y = Mul(x, c)", one=weights(4)))
def folded_to_the_wrong_constant(node: ir.Node, draft: Draft) -> object:
    """c + c is another constant."""
    return draft("Identity", draft.constant(weights(4) * 2 + 1))


@wrong("Shape", host("float[N,M,4] x", "int64[1] y", "y = Shape<start = 1, end = 2>(x)"))
def shape_of_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """Shape(x)[1:2] = Shape(x)[0:1]."""
    return draft("Shape", node.inputs[0], start=0, end=1)


@wrong("Shape", host("float[N,4] x", "int64[2] y", "y = Shape(x)"))
def shape_frozen(node: ir.Node, draft: Draft) -> object:
    """Shape(x) = [2, 4], as it was in one probe."""
    return draft("Identity", draft.constant([2, 4], np.int64))


RESIZE = "float[N,2,4,4] x", "float[N,2,8,8] y"
DOUBLE = np.array([1, 1, 2, 2], np.float32)


@wrong("Resize", host(*RESIZE, 'y = Resize<mode = "linear">(x, , scales)', scales=DOUBLE), ROUNDING)
def nearest_for_linear(node: ir.Node, draft: Draft) -> object:
    """Resize(x, linear) = Resize(x, nearest)."""
    return draft.again(node, mode="nearest")


@wrong("Resize", host(*RESIZE, 'y = Resize<mode = "linear">(x, , scales)', scales=DOUBLE), ROUNDING)
def resized_between_other_corners(node: ir.Node, draft: Draft) -> object:
    """Resize(x, half_pixel) = Resize(x, align_corners)."""
    return draft.again(node, coordinate_transformation_mode="align_corners")


@wrong(
    "ScatterElements",
    host(
        *SQUARE,
        'y = ScatterElements<reduction = "add">(x, i, u)',
        i=np.tile(ints(1, 0, 3, 2), (4, 1)),
        u=weights(4, 4),
    ),
)
def scatter_overwrites(node: ir.Node, draft: Draft) -> object:
    """ScatterElements(x, add) = ScatterElements(x)."""
    return draft.again(node, reduction=None)
