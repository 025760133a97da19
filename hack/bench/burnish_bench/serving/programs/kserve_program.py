"""KServe's Python server around a custom model, without its log line a request."""

import logging

from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.numpy_codec import from_np_dtype

from burnish_bench.serving.programs.session import arguments, open_session, run


class OnnxModel(Model):  # type: ignore[misc]  # its base is untyped here
    """ONNX Runtime as a KServe model."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self._session = open_session(path)
        self.ready = True

    async def predict(self, payload: InferRequest, *_: object) -> InferResponse:
        """One request."""
        feeds = {tensor.name: _array(tensor) for tensor in payload.inputs}
        outputs = []
        for name, array in run(self._session, feeds).items():
            output = InferOutput(name, list(array.shape), from_np_dtype(array.dtype))
            output.set_data_from_numpy(array, binary_data=bool(payload.use_binary_outputs))
            outputs.append(output)
        return InferResponse(
            payload.id,
            self.name,
            outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


def _array(tensor: InferInput) -> object:
    return tensor.as_numpy()


def main() -> None:
    """Serve until told to end."""
    found = arguments()
    server = ModelServer(
        http_port=found.http_port, grpc_port=found.grpc_port, workers=1, enable_latency_logging=False
    )
    logging.getLogger("kserve").setLevel(logging.WARNING)
    server.start([OnnxModel(found.name, found.model)])


if __name__ == "__main__":
    main()
