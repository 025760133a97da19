"""What a file is, from its first bytes: pure. Names what users hand over instead of ONNX."""

from typing import NamedTuple

HEAD_BYTES = 64
EXPORT = "Export the model to ONNX first (for PyTorch: torch.onnx.export) and name the .onnx file."
FETCH_AGAIN = "Fetch the file again; what was saved is not the model."


class Kind(NamedTuple):
    """What was found, and what to do. `unsafe`: loading it would run code."""

    found: str
    remedy: str
    unsafe: bool = False


_PICKLE = Kind("a Python pickle (pickles run code when loaded, and are never loaded)", EXPORT, unsafe=True)
_MAGIC = (
    (
        b"PK\x03\x04",
        Kind("a zip archive, as torch.save writes (its pickle is never loaded)", EXPORT, unsafe=True),
    ),
    (b"\x80\x02", _PICKLE),
    (b"\x80\x03", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
    (b"\x89HDF", Kind("an HDF5 file, as Keras writes", EXPORT)),
    (b"\x1f\x8b", Kind("a gzip archive", "Unpack it and name the .onnx file.")),
    (b"version https://git-lfs", Kind("a Git LFS pointer, not the file", "Run `git lfs pull`.")),
    (b"ORTM", Kind("an ORT-format model", "Name the .onnx file that it was made from.")),
)


def sniff(head: bytes) -> Kind | None:
    """The kind of a file that is certainly no ONNX model, or None where it may be one."""
    if not head:
        return Kind("an empty file", FETCH_AGAIN)
    if head.lstrip()[:1] == b"<":
        return Kind("an HTML or XML page", FETCH_AGAIN)
    if head[4:8] in (b"TFL3", b"ORTM"):
        return Kind("a TensorFlow Lite or ORT-format model", EXPORT)
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def looks_like_onnx(head: bytes) -> bool:
    """Whether the file begins as exporters begin: field 1, a small `ir_version`."""
    return len(head) > 1 and head[0] == 0x08 and 1 <= head[1] <= 32
