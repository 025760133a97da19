"""Memory of calibration: the same for few samples and for many, and below what all activations take."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from support.optimizer_nets import conv_net

# Prints the private peak of a process that calibrates, what it held before, and whether ONNX Runtime's own
# calibrators were loaded there.
PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
from burnish_optimizer.precision.calibration.collect import collect
from burnish_runtime.memory import PrivatePeak, private_bytes
import onnxruntime
model, tensors, shape, count, memory_bytes = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
feeds = ({"x": rng.standard_normal(shape, dtype=np.float32)} for _ in range(count))
before = private_bytes()
with PrivatePeak() as peak:
    found = collect(Path(model), tensors, feeds, threads=1, memory_bytes=memory_bytes)
stock = any(name.startswith("onnxruntime.quantization") for name in sys.modules)
print(json.dumps([peak.bytes, before, found.samples, stock]))
"""


def peak_bytes(model: Path, tensors: list[str], shape: list[int], count: int, memory_bytes: int = 1 << 28):
    given = json.dumps([str(model), tensors, shape, count, memory_bytes])
    # What is given back goes back to the system at once: what is held counts, not what malloc keeps of it.
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "", "MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, given],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    peak, before, samples, stock = json.loads(done.stdout)
    assert (samples, stock) == (count, False)
    return peak, peak - before


def test_memory_is_flat_in_the_number_of_samples(tmp_path):
    onnx.save(conv_net(), str(tmp_path / "model.onnx"))
    tensors = ["x", "active", "scores"]
    few, many = (peak_bytes(tmp_path / "model.onnx", tensors, [1, 3, 16, 16], n)[0] for n in (10, 10_000))
    assert many < few * 1.05


@pytest.mark.parametrize("memory_bytes", [1 << 20, 16 << 20])
def test_what_one_run_returns_bounds_the_memory_not_what_all_tensors_take(tmp_path, memory_bytes):
    """32 tensors of 4 MiB are 128 MiB; the model itself needs two or three of them at once."""
    names = ["x", *(f"v{i}" for i in range(32))]
    nodes = [helper.make_node("Mul", [a, "half"], [b]) for a, b in itertools.pairwise(names)]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1024])],
        [helper.make_tensor_value_info("v31", TensorProto.FLOAT, ["N", 1024])],
        [numpy_helper.from_array(np.array(0.5, np.float32), "half")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "model.onnx"))
    _, taken = peak_bytes(tmp_path / "model.onnx", names[1:], [1024, 1024], 2, memory_bytes)
    assert taken < memory_bytes + (64 << 20)
