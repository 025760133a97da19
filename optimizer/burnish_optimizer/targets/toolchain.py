"""Versions of whatever does the work: part of the engine key and of the report."""

from collections.abc import Collection, Mapping
from importlib import metadata, util
from types import MappingProxyType

from burnish_engine import __version__

# Every engine is read, rewritten, judged and written by these.
ALWAYS = ("onnx", "onnx-ir", "onnxruntime", "onnxruntime-gpu")
# What recipes import, and the distributions that it may come from.
DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
        "openvino": ("openvino",),
        "nncf": ("nncf", "openvino"),
        "tensorrt_rtx": ("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx"),
    }
)
TOLD_ALONE = ("numpy",)


def versions() -> dict[str, str]:
    """Name to version of Burnish and of the libraries that are installed."""
    names = (*ALWAYS, *(name for found in DISTRIBUTIONS.values() for name in found), *TOLD_ALONE)
    return _versions(dict.fromkeys(names))


def toolchain(libraries: Collection[str] = ()) -> dict[str, str]:
    """The versions that decide which engine comes out.

    Args: libraries: what the recipes that are tried import. A version that no recipe here uses changes no
        key: an engine without quantization is not built again for another quantizer.
    """
    own = (name for library in sorted(libraries) for name in DISTRIBUTIONS.get(library, (library,)))
    return _versions(dict.fromkeys((*ALWAYS, *own)))


def is_installed(library: str) -> bool:
    """Whether a library can be imported (it is not)."""
    return util.find_spec(library) is not None


def _versions(names: Collection[str]) -> dict[str, str]:
    return {"burnish": __version__, **{name: found for name in names if (found := _version(name))}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
