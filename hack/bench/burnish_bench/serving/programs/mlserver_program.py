"""MLServer around a custom runtime: no second process between socket and model, no log line a request."""

import asyncio

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from burnish_bench.serving.programs.session import arguments, open_session, run


class OnnxModel(MLModel):  # type: ignore[misc]  # its base is untyped here
    """ONNX Runtime as an MLServer runtime."""

    async def load(self) -> bool:
        """Open the model."""
        self._session = open_session(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One request."""
        feeds = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        outputs = [NumpyCodec.encode_output(name, array) for name, array in run(self._session, feeds).items()]
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=outputs)


async def serve() -> None:
    """Serve until told to end."""
    found = arguments()
    settings = Settings(
        host="127.0.0.1",
        http_port=found.http_port,
        grpc_port=found.grpc_port,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
        load_models_at_startup=False,
    )
    model = ModelSettings(name=found.name, implementation=OnnxModel, parameters={"uri": found.model})
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(serve())
