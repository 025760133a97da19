"""OpenVINO's own model files: which layers they have, and which of them keep FP32.

A layer of an IR file that carries the attribute `precise` is computed in FP32 whatever precision the
plugin is asked for (OpenVINO, `transformations/rt_info/disable_precision_conversion.hpp`; seen with the CPU
plugin of 2026.4: the execution graph says f32 for exactly the marked layers).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from burnish_optimizer.precision.parts import rows

PRECISE = {"name": "precise", "version": "0"}
# Layers whose arithmetic is worth a precision: the others follow them.
WEIGHTED = frozenset({
    "Convolution", "ConvolutionBackpropData", "GRUCell", "GRUSequence", "GroupConvolution",
    "GroupConvolutionBackpropData", "LSTMCell", "LSTMSequence", "MatMul", "RNNCell", "RNNSequence",
})  # fmt: skip
_NOT_COMPUTED = frozenset({"Const", "Parameter", "Result"})


@dataclass(frozen=True)
class Layer:
    """A layer of the main graph that computes something."""

    name: str
    kind: str


def layers(model: Path) -> tuple[Layer, ...]:
    """Layers of an .xml file, each after those that it takes from."""
    found = (Layer(layer.get("name", ""), layer.get("type", "")) for layer in _main_layers(_parse(model)))
    return tuple(layer for layer in found if layer.kind not in _NOT_COMPUTED)


def keep_float32(model: Path, names: Collection[str]) -> None:
    """Mark layers of an .xml file, in place: these are computed in FP32."""
    tree = _parse(model)
    for layer in _main_layers(tree):
        if layer.get("name") in names:
            info = layer.find("rt_info")
            if info is None:
                info = ET.Element("rt_info")
                layer.insert(0 if layer.find("data") is None else 1, info)
            ET.SubElement(info, "attribute", PRECISE)
    tree.write(model, encoding="utf-8", xml_declaration=True)


def segments(found: Iterable[Layer]) -> tuple[tuple[str, ...], ...]:
    """Names of layers in rows (see `precision.parts.rows`)."""
    return rows((layer.name, layer.kind in WEIGHTED) for layer in found)


def _parse(model: Path) -> "ET.ElementTree[ET.Element]":
    return ET.parse(model)  # noqa: S314


def _main_layers(tree: "ET.ElementTree[ET.Element]") -> list[ET.Element]:
    """Not those of bodies of If, Loop and TensorIterator."""
    return tree.findall("./layers/layer")
