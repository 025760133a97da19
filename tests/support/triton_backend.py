"""`model.py` of a backend in Triton: the library itself, from Python, told what `config.pbtxt` says.

Triton runs this file in a process of its own. As other backends do, it puts the requests of a batch into
one run, and takes the rows apart again. Tensors pass by DLPack: the server was built for another NumPy.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = json.loads((Path(__file__).parent / "path.json").read_text())

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

Arrays = Mapping[str, Any]


class TritonPythonModel:
    """What Triton's Python backend calls."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Open the model below its version's folder."""
        self._config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        opened = _on_openvino if self._config["backend"] == "openvino" else _on_onnxruntime
        told = {name: one["string_value"] for name, one in self._config["parameters"].items()}
        self._run = opened(folder / self._config["default_model_filename"], told)
        self._inputs, self._outputs = (
            [tensor["name"] for tensor in self._config[kind]] for kind in ("input", "output")
        )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One run for all requests where rows may be batched, else one for each."""
        feeds = [self._feeds(request) for request in requests]
        if not self._config["max_batch_size"]:
            return [self._response(self._run(one)) for one in feeds]
        rows = [len(next(iter(one.values()))) for one in feeds]
        whole = self._run({name: np.concatenate([one[name] for one in feeds]) for name in self._inputs})
        parts = {name: np.split(array, np.cumsum(rows)[:-1]) for name, array in whole.items()}
        return [self._response({name: parts[name][i] for name in parts}) for i in range(len(requests))]

    def _feeds(self, request: Any) -> Arrays:
        tensors = {name: triton.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: np.from_dlpack(tensor) for name, tensor in tensors.items()}

    def _response(self, answers: Arrays) -> Any:
        arrays = {name: np.array(answers[name]) for name in self._outputs}
        tensors = [triton.Tensor.from_dlpack(name, array) for name, array in arrays.items()]
        return triton.InferenceResponse(tensors)


def _on_onnxruntime(model: Path, told: Mapping[str, str]) -> Callable[[Arrays], Arrays]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(told["intra_op_thread_count"])
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, dict(feeds)), strict=True))


def _on_openvino(model: Path, told: Mapping[str, str]) -> Callable[[Arrays], Arrays]:
    import openvino

    core = openvino.Core()
    core.set_property("CPU", dict(told))
    compiled = core.compile_model(core.read_model(str(model)), "CPU")
    return lambda feeds: {o.get_any_name(): array for o, array in compiled(dict(feeds)).items()}
