"""What every program shares: its arguments, and the model in ONNX Runtime, one thread."""

import sys
from dataclasses import dataclass
from typing import Any

import onnxruntime as ort


@dataclass(frozen=True)
class Arguments:
    """The command line of a program."""

    model: str
    name: str
    http_port: int
    grpc_port: int


def arguments() -> Arguments:
    """The command line. Raises: ValueError: too few, or no ports."""
    model, name, http_port, grpc_port = sys.argv[1:5]
    return Arguments(model, name, int(http_port), int(grpc_port))


def open_session(model: str) -> ort.InferenceSession:
    """The model as every side runs it: the CPU provider, its defaults, one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, feeds: dict[str, Any]) -> dict[str, Any]:
    """All outputs by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))
