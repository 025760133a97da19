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
    `precision.sensitivity`), empty: all or nothing.   library: what must be importable.
    needs_calibration: real samples, not synthetic ones.
    requires: what the machine must have, by the names of `targets.implications.REQUIREMENTS`.
    """

    name: str
    backend: Backend
    precision: Precision
    build: str
    options: RunOptions = RunOptions()
    settings: dict[str, str] = Field(default_factory=dict)
    parts: str = ""
    library: str = "onnxruntime"
    needs_calibration: bool = False
    requires: tuple[str, ...] = ()


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


_NNCF = {
    "build": "burnish_optimizer.backends.openvino_nncf:build",
    "library": "nncf",
    "parts": _PARTS,
    "needs_calibration": True,
}

# Within one precision the order is the order of trying, cheap and safe first.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="ort-fp32",
        backend=Backend.ONNXRUNTIME,
        precision=Precision.FP32,
        build=f"{_ORT}:build_fp32",
    ),
    *_openvino("fp32", Precision.FP32, "f32"),
    *_openvino("bf16", Precision.BF16, "bf16", parts=_PARTS, requires=("bf16",)),
    *_openvino("int8", Precision.INT8, "f32", **_NNCF),
    *_openvino("int8-bf16", Precision.INT8, "bf16", requires=("bf16",), **_NNCF),
    Recipe(
        name="openvino-int8-qdq",
        backend=Backend.OPENVINO,
        precision=Precision.INT8,
        build=f"{_OPENVINO}:build_int8",
        options=RunOptions(properties={"INFERENCE_PRECISION_HINT": "f32"}),
        library="openvino",
        needs_calibration=True,
    ),
    Recipe(
        name="ort-int8-qdq",
        backend=Backend.ONNXRUNTIME,
        precision=Precision.INT8,
        build=f"{_INT8}:build_static",
        needs_calibration=True,
    ),
    Recipe(
        name="ort-int8-dynamic",
        backend=Backend.ONNXRUNTIME,
        precision=Precision.INT8,
        build=f"{_INT8}:build_dynamic",
    ),
)
