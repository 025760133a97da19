"""What `burnish inspect MODEL` tells. Units are in the names; what could not be found out is told as such."""

from pydantic import Field

from burnish_engine.base import Record
from burnish_optimizer.tasks import Task


class InspectTask(Task):
    """Inspect one model. `shapes`: sizes of inputs with free dimensions, by input name."""

    run: str = "burnish_optimizer.inspection.inspect:inspect_model"
    model: str
    shapes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    threads: int | None = None


class Arithmetic(Record):
    """Floating-point operations of one run: a multiplication and an addition count as two.

    unknown: nodes whose shapes are not known, and which are therefore not counted, by op type.
    """

    flops: int
    by_op: dict[str, int]
    unknown: dict[str, int]


class Memory(Record):
    """weights_bytes: all constants.   peak_activation_bytes: most that is alive at once, node after node,
    where nothing is computed in place; `peak_at`: the node where that is.   unknown: values without a size.
    """

    weights_bytes: int
    peak_activation_bytes: int
    peak_at: str
    unknown: int


class Coverage(Record):
    """A target's kernels: how many nodes have one, and which do not (`Op (element type)` → nodes).

    composed: without a kernel of their own, run as the function of others that the standard defines.
    """

    covered: int
    composed: dict[str, int]
    missing: dict[str, int]


class ModelFacts(Record):
    """A model in numbers.

    ops: nodes by op type, those of subgraphs and functions too.   dynamic: free dimensions by name, and
    where they stand.   shapes: the input shapes that arithmetic and activations were taken at.
    """

    name: str
    size_bytes: int
    external_files: tuple[str, ...]
    ir_version: int
    producer: str
    opsets: dict[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic: dict[str, tuple[str, ...]]
    nodes: int
    ops: dict[str, int]
    subgraphs: int
    functions: dict[str, int]
    initializers: int
    parameters: int
    parameters_by_type: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    arithmetic: Arithmetic
    memory: Memory
    coverage: dict[str, Coverage]
    notes: tuple[str, ...] = ()
