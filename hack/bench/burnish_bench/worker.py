"""A worker process: one tool, imported once; each request is answered by a fork. Runs where the tool is.

    python worker.py TOOL

It reads one JSON request a line ({"source", "output", …}) and writes one JSON answer a line: the handler's,
{"error"} where it raised, {"crash"} where it died, and with the former two `seconds` and memory.
"""

# ruff: noqa: PLC0415 (each tool is imported in the one process that runs it)

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

Request = dict[str, Any]
Handler = Callable[[Request], Request]
KIB = 1024


def onnxsim() -> Handler:
    """onnx-simplifier as it ships."""
    import onnx

    tool = import_module("onnxsim")

    def run(request: Request) -> Request:
        model, _ = tool.simplify(onnx.load(request["source"]))
        onnx.save(model, request["output"])
        return {}

    return run


def onnxslim() -> Handler:
    """onnxslim as it ships."""
    tool = import_module("onnxslim")

    def run(request: Request) -> Request:
        tool.slim(request["source"], request["output"])
        return {}

    return run


def onnxscript() -> Handler:
    """onnxscript's optimizer as it ships."""
    return _optimizer("onnxscript.optimizer")


def onnxoptimizer() -> Handler:
    """onnxoptimizer's default passes."""
    return _optimizer("onnxoptimizer")


def _optimizer(module: str) -> Handler:
    """A tool whose `optimize` takes a model and gives one."""
    import onnx

    tool = import_module(module)

    def run(request: Request) -> Request:
        onnx.save(tool.optimize(onnx.load(request["source"])), request["output"])
        return {}

    return run


def portable() -> Handler:
    """Burnish, standard operators alone."""
    from burnish_bench.ours import rewriter

    return rewriter("portable")


def onnxruntime_cpu() -> Handler:
    """Burnish, with ONNX Runtime's own operators where its CPU provider has them."""
    from burnish_bench.ours import rewriter

    return rewriter("onnxruntime-cpu")


def judge() -> Handler:
    """Compares a tool's output with its source."""
    from burnish_bench.judge import judge as handler

    return handler


def latency() -> Handler:
    """Measures models in turns."""
    from burnish_bench.latency import measure

    return measure


HANDLERS: dict[str, Callable[[], Handler]] = {
    "onnxsim": onnxsim,
    "onnxslim": onnxslim,
    "onnxscript": onnxscript,
    "onnxoptimizer": onnxoptimizer,
    "burnish-portable": portable,
    "burnish-onnxruntime-cpu": onnxruntime_cpu,
    "judge": judge,
    "latency": latency,
}


def peak_bytes() -> int:
    """The most memory that this process ever had resident, and its children's most."""
    own, children = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own.ru_maxrss + children.ru_maxrss) * KIB


def cpu_seconds() -> float:
    """Processor time of this process and of its children that ended."""
    return sum(os.times()[:4])


def answer(handler: Handler, request: Request) -> Request:
    """The handler's answer with its cost; what it raises is an answer too."""
    start, cpu, memory = time.perf_counter(), cpu_seconds(), peak_bytes()
    try:
        found = handler(request)
    except Exception as error:  # noqa: BLE001 (the edge of the process: whatever a tool raises is its verdict)
        found = {"error": f"{type(error).__name__}: {error}"[:400]}
    seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": cpu_seconds() - cpu}
    return {**seconds, "extra_bytes": peak_bytes() - memory, **found}


def serve(handler: Handler, request: Request) -> Request:
    """The answer of a fork of this process: warm, and without a trace of the cases before.

    Some tools pile up state from model to model, and fail on later ones by what earlier ones left.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as pipe:
            pipe.write(json.dumps(answer(handler, request)))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0 and text:
        found: Request = json.loads(text)
        return found
    return {"crash": signal.Signals(-code).name if code < 0 else f"exit code {code}"}


def _preload() -> None:
    """What tools import when they first need it: no tool's time is to hold imports."""
    for name in ("onnxruntime", "onnx.version_converter", "onnx.shape_inference"):
        with suppress(ImportError):
            import_module(name)


def main() -> None:
    """Serve until the pipe is closed. What tools print goes to the log."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _preload()
    handler = HANDLERS[sys.argv[1]]()
    print(json.dumps({"ready": sys.argv[1]}), file=pipe, flush=True)
    for line in sys.stdin:
        print(json.dumps(serve(handler, json.loads(line))), file=pipe, flush=True)


if __name__ == "__main__":
    main()
