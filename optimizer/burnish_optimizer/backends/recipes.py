"""All recipes, as data: what is tried is what stands here."""

from typing import Any

from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend, Precision

BASELINE = "baseline"


class Recipe(Record):
    """Backend, precision, how it is built and how it is run.

    build: `module:function`, given a `BuildTask`.   settings: what that function is told, by its own names.
    parts: `module:function` that tells the parts which may keep a higher precision (see
    `precision.sensitivity`), empty: all or nothing.
    above: the recipe that it is with all parts kept.   library: what must be importable.
    needs_calibration: real samples, not synthetic ones.
    requires: what the machine must have, by the names of `targets.implications.REQUIREMENTS`.
    target_requires: what the hardware must have that it is for: what is built ahead is not run here.
    """

    name: str
    backend: Backend
    precision: Precision
    build: str
    options: RunOptions = RunOptions()
    settings: dict[str, str] = Field(default_factory=dict)
    parts: str = ""
    above: str = ""
    library: str = "onnxruntime"
    needs_calibration: bool = False
    requires: tuple[str, ...] = ()
    target_requires: tuple[str, ...] = ()


_ORT, _OPENVINO, _INT8 = (
    "burnish_optimizer.backends.onnxruntime",
    "burnish_optimizer.backends.openvino",
    "burnish_optimizer.precision.int8",
)

_PARTS = "burnish_optimizer.backends.openvino_parts:parts"
# Enough for the widths of a text model; each set of shapes takes the memory of the model's weights again.
STATIC_SHAPES = "4"


def _openvino(name: str, precision: Precision, computes_in: str, **fields: Any) -> tuple[Recipe, Recipe]:
    """One precision, with free axes alone, and compiled for the common shapes as well."""
    plain = Recipe(
        name=f"openvino-{name}",
        backend=Backend.OPENVINO,
        precision=precision,
        options=RunOptions(properties={"INFERENCE_PRECISION_HINT": computes_in}),
        **{"build": f"{_OPENVINO}:build", "library": "openvino", **fields},
    )
    settings = {**plain.settings, "static": STATIC_SHAPES}
    return plain, plain.model_copy(update={"name": f"{plain.name}-static", "settings": settings})


def _plan(name: str, precision: Precision, build: str, **fields: Any) -> Recipe:
    """A plan of TensorRT for RTX, for devices of the target, which need not be here."""
    return Recipe(
        name=f"tensorrt-rtx-{name}",
        backend=Backend.TENSORRT_RTX,
        precision=precision,
        build=f"burnish_optimizer.backends.tensorrt_rtx:{build}",
        library="tensorrt_rtx",
        **{"target_requires": ("tensorrt-rtx",), **fields},
    )


def _provider(name: str, backend: Backend) -> Recipe:
    """An execution provider of ONNX Runtime, in FP32: TF32, which CUDA's has on by default, is off."""
    options = {"use_tf32": "0"} if backend is Backend.ONNXRUNTIME_CUDA else {}
    return Recipe(
        name=f"ort-{name}-fp32",
        backend=backend,
        precision=Precision.FP32,
        build=f"burnish_optimizer.backends.onnxruntime_{name}:build",
        options=RunOptions(provider_options=options),
        requires=("nvidia-gpu",),
    )


_NNCF = {
    "build": "burnish_optimizer.backends.openvino_nncf:build",
    "library": "nncf",
    "parts": _PARTS,
    "needs_calibration": True,
}

_QDQ = {
    "build": f"{_OPENVINO}:build_int8",
    "settings": {"ops": "weighted"},
    "needs_calibration": True,
}
# Ranges by minimum and maximum first: recipes that differ in this alone are as fast, and it clips nothing.
_RANGES = {
    "": {"method": "minmax"},
    "-mse": {"method": "mse"},
    "-smooth": {"method": "mse", "smooth": "0.5"},
    "-entropy": {"method": "entropy"},
    "-percentile": {"method": "percentile"},
}


def _weights(name: str, precision: Precision, settings: dict[str, str], **fields: Any) -> Recipe:
    """Weights in few bits, computed with by ONNX Runtime's own kernel."""
    return Recipe(
        name=f"ort-{name}",
        backend=Backend.ONNXRUNTIME,
        precision=precision,
        build="burnish_optimizer.precision.weight_only.build:build",
        settings={"accuracy_level": "auto", **settings},
        parts="burnish_optimizer.backends.onnxruntime_weight_parts:parts",
        **fields,
    )


# Longer blocks are faster, shorter ones closer: of 8 bits there are enough for long ones.
_INT4 = {"bits": "4", "block": "32", "kept_bits": "8"}
_IN_8_BITS = "ort-int8-weights"

# Within one precision the order is the order of trying, cheap and safe first.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="ort-fp32",
        backend=Backend.ONNXRUNTIME,
        precision=Precision.FP32,
        build=f"{_ORT}:build",
    ),
    Recipe(
        name="ort-fp32-flushed",
        backend=Backend.ONNXRUNTIME,
        precision=Precision.FP32,
        build=f"{_ORT}:build_flushed",
    ),
    *_openvino("fp32", Precision.FP32, "f32"),
    *_openvino("bf16", Precision.BF16, "bf16", parts=_PARTS, above="openvino-fp32", requires=("bf16",)),
    *_openvino("int8", Precision.INT8, "f32", above="openvino-fp32", **_NNCF),
    *_openvino("int8-bf16", Precision.INT8, "bf16", above="openvino-bf16", requires=("bf16",), **_NNCF),
    *(
        Recipe(
            name=f"ort-int8-{ops}{suffix}",
            backend=Backend.ONNXRUNTIME,
            precision=Precision.INT8,
            build=f"{_INT8}:build_static",
            settings={"ops": ops, **ranges},
            parts="burnish_optimizer.backends.onnxruntime_parts:parts",
            needs_calibration=True,
        )
        for ops in ("all", "weighted")
        for suffix, ranges in _RANGES.items()
    ),
    *(
        one.model_copy(update={"name": f"{one.name}{suffix}", "settings": {**one.settings, **ranges}})
        for suffix, ranges in _RANGES.items()
        for one in _openvino("int8-qdq", Precision.INT8, "f32", **_QDQ)
    ),
    Recipe(
        name="ort-int8-dynamic",
        backend=Backend.ONNXRUNTIME,
        precision=Precision.INT8,
        build=f"{_INT8}:build_dynamic",
    ),
    _weights("int8-weights", Precision.INT8, {"bits": "8", "block": "128"}, above="ort-fp32"),
    _weights("int4-rtn", Precision.INT4, {**_INT4, "method": "rtn"}, above=_IN_8_BITS),
    _weights("int4-hqq", Precision.INT4, {**_INT4, "method": "hqq"}, above=_IN_8_BITS),
    _weights(
        "int4-gptq",
        Precision.INT4,
        {**_INT4, "method": "gptq"},
        above=_IN_8_BITS,
        needs_calibration=True,
    ),
    _provider("cuda", Backend.ONNXRUNTIME_CUDA),
    _provider("tensorrt", Backend.ONNXRUNTIME_TENSORRT),
    _plan("fp32", Precision.FP32, "build"),
    _plan("fp16", Precision.FP16, "build_fp16", needs_calibration=True),
    _plan("fp8", Precision.FP8, "build_fp8", needs_calibration=True, target_requires=("fp8", "tensorrt-rtx")),
)
