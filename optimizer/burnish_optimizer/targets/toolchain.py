"""Versions of whatever does the work: part of the engine key and of the report."""

from importlib import metadata, util

from burnish_engine import __version__

LIBRARIES = ("onnx", "onnx-ir", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt-rtx-cu13", "numpy")
KEYED = ("onnx", "onnxruntime", "openvino")


def versions() -> dict[str, str]:
    """Name to version of Burnish and of the libraries that are installed."""
    return {"burnish": __version__, **{name: found for name in LIBRARIES if (found := _version(name))}}


def toolchain() -> dict[str, str]:
    """The versions that decide which engine comes out."""
    return {name: version for name, version in versions().items() if name in ("burnish", *KEYED)}


def is_installed(library: str) -> bool:
    """Whether a library can be imported (it is not)."""
    return util.find_spec(library) is not None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
