"""Which kernels a target has; the tables are held against what is installed."""

import numpy as np
import onnxruntime
import openvino
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from burnish_engine.request import Backend
from burnish_optimizer.targets.kernels import (
    MICROSOFT,
    OF_BACKEND,
    ONNXRUNTIME_CPU,
    ONNXRUNTIME_CUDA,
    OPENVINO_CPU,
    PORTABLE,
    TARGETS,
    TENSORRT_GPU,
    kernels,
)
from burnish_optimizer.targets.providers import CPU, FUSED, KERNELS, NEWEST, OPENVINO

Arrays = dict[str, NDArray[np.generic]]


def test_the_table_of_the_cpu_is_what_the_installed_build_has() -> None:
    for key, entries in KERNELS[CPU].items():
        installed = kernels(CPU)[key]
        newest = [elements for _, last, elements in installed if last == NEWEST]
        assert frozenset().union(*newest) == entries[0][2], key
        assert min(first for first, _, _ in installed) <= entries[0][0], key


def test_standard_operators_that_the_table_lacks_have_no_kernel_in_the_installed_build() -> None:
    lacking = FUSED - {op for domain, op in KERNELS[CPU] if not domain}
    assert lacking == {op for op in FUSED if ("", op) not in kernels(CPU)}


def test_element_types_are_those_of_the_data() -> None:
    assert ONNXRUNTIME_CPU.has_kernel("", "ConstantOfShape", "float")
    assert ONNXRUNTIME_CPU.has_kernel("", "Attention", "float16", 23)
    assert not ONNXRUNTIME_CPU.has_kernel("", "Attention", "float", 22)
    assert not ONNXRUNTIME_CPU.has_kernel(MICROSOFT, "MultiHeadAttention", "float16")
    assert ONNXRUNTIME_CPU.has_kernel("ai.onnx", "MatMul", "float", 17)
    assert ONNXRUNTIME_CPU.has_kernel("", "Where", "int64")


def test_portable_and_tensorrt_have_standard_operators_only() -> None:
    for target in (PORTABLE, TENSORRT_GPU):
        assert not target.has_kernel(MICROSOFT, "Gelu", "float")
        assert target.has_kernel("", "MatMul", "float")
    assert not TENSORRT_GPU.has_kernel("", "Attention", "float")


def test_providers_that_are_not_installed_are_looked_up_in_their_tables() -> None:
    assert ONNXRUNTIME_CUDA.has_kernel(MICROSOFT, "MultiHeadAttention", "float16")
    assert ONNXRUNTIME_CUDA.has_kernel("", "Conv", "float16")
    assert not ONNXRUNTIME_CUDA.has_kernel("", "Swish", "float")
    assert not ONNXRUNTIME_CUDA.has_kernel("", "HardSwish", "bfloat16", 14)
    assert not ONNXRUNTIME_CUDA.has_kernel(MICROSOFT, "Nonsense", "float")


def test_a_backend_finds_its_target() -> None:
    assert set(OF_BACKEND) == set(Backend)
    assert all(target.backend in (backend, None) for backend, target in OF_BACKEND.items())
    assert OF_BACKEND[Backend.ONNXRUNTIME] is ONNXRUNTIME_CPU
    assert OF_BACKEND[Backend.ONNXRUNTIME_CUDA] is ONNXRUNTIME_CUDA
    assert OF_BACKEND[Backend.OPENVINO] is OPENVINO_CPU


def test_targets_are_found_by_their_names() -> None:
    assert all(name == target.name for name, target in TARGETS.items())
    assert set(TARGETS) == {"portable", "onnxruntime-cpu", "onnxruntime-cuda", "openvino-cpu", "tensorrt"}


def _normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def _masked() -> NDArray[np.float32]:
    """Additive, with padded keys, and one row in which every key is masked."""
    mask = np.zeros((2, 1, 5, 7), np.float32)
    mask[0, 0, :, 5:] = np.finfo(np.float32).min
    mask[1, 0, 2] = np.finfo(np.float32).min
    return mask


X, QKV = {"x": _normal(2, 5, 24)}, {"q": _normal(2, 5, 24), "k": _normal(2, 7, 24), "v": _normal(2, 7, 24)}
SCALED = {**X, "g": _normal(24)}
BIASED = {**SCALED, "b": _normal(24) + 1}
IMAGE = {"x": _normal(1, 4, 8, 8), "w": _normal(4, 4, 3, 3), "b": _normal(4)}
GROUPS = {"x": _normal(1, 4, 6, 6), "g": _normal(4), "b": _normal(4) + 1}
TURNS = {"x": _normal(2, 3, 5, 8), "c": _normal(2, 5, 4), "s": _normal(2, 5, 4)}

# What each operator of OpenVINO's table is tried on: inputs in order (None: left out) and attributes.
CASES: dict[tuple[str, str], tuple[dict[str, NDArray[np.generic] | None], dict[str, object]]] = {
    ("", "Attention"): ({**QKV}, {"q_num_heads": 3, "kv_num_heads": 3}),
    ("", "Gelu"): ({**X}, {"approximate": "tanh"}),
    ("", "GroupNormalization"): ({**GROUPS}, {"num_groups": 2}),
    ("", "HardSwish"): ({**X}, {}),
    ("", "LayerNormalization"): ({**BIASED}, {}),
    ("", "Mish"): ({**X}, {}),
    ("", "RMSNormalization"): ({**SCALED}, {"epsilon": 1e-3}),
    ("", "RotaryEmbedding"): ({**TURNS}, {}),
    ("", "Swish"): ({**X}, {"alpha": 1.5}),
    (MICROSOFT, "BiasGelu"): ({**SCALED}, {}),
    (MICROSOFT, "FastGelu"): ({**SCALED}, {}),
    (MICROSOFT, "FusedConv"): ({**IMAGE}, {"activation": "Relu"}),
    (MICROSOFT, "FusedGemm"): (
        {"a": _normal(5, 24), "b": _normal(24, 6), "c": _normal(6)},
        {"activation": "Relu"},
    ),
    (MICROSOFT, "FusedMatMul"): ({**X, "y": _normal(2, 6, 24)}, {"transB": 1, "alpha": 0.5}),
    (MICROSOFT, "Gelu"): ({**X}, {}),
    (MICROSOFT, "MultiHeadAttention"): (
        {**QKV, "no bias": None, "no mask": None, "m": _masked()},
        {"num_heads": 3, "scale": 0.3},
    ),
    (MICROSOFT, "QuickGelu"): ({**X}, {"alpha": 1.5}),
    (MICROSOFT, "SkipLayerNormalization"): ({**X, "y": _normal(2, 5, 24), **BIASED}, {"epsilon": 1e-3}),
    (MICROSOFT, "SkipSimplifiedLayerNormalization"): (
        {**X, "y": _normal(2, 5, 24), "g": _normal(24)},
        {"epsilon": 1e-3},
    ),
}


@pytest.mark.parametrize("key", sorted(KERNELS[OPENVINO]), ids=".".join)
def test_openvino_answers_as_onnxruntime_does(key: tuple[str, str]) -> None:
    domain, op = key
    inputs, attributes = CASES[key]
    feeds = {name: array for name, array in inputs.items() if array is not None}
    names = [name if array is not None else "" for name, array in inputs.items()]
    node = helper.make_node(op, names, ["out"], domain=domain, **attributes)
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in feeds.items()]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    opset = max(17, KERNELS[OPENVINO][key][0][0] if not domain else 17)
    model = helper.make_model(
        helper.make_graph([node], op, infos, [out]),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=11,
    ).SerializeToString()
    expected = onnxruntime.InferenceSession(model).run(None, feeds)[0]
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert compiled(feeds)[0] == pytest.approx(expected, abs=1e-5)
