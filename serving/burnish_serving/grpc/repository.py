"""`RepositoryModelLoad` and `RepositoryModelUnload`: engines are changed by request, as over HTTP."""

from google.protobuf.message import Message

from burnish_serving.grpc.proto import open_inference_pb2 as messages
from burnish_serving.protocol.repository import requested_engine
from burnish_serving.swap import Swaps, opened


class Repository:
    """The two calls. swaps: None: switched off, and answered so."""

    def __init__(self, swaps: Swaps | None) -> None:
        self._swaps = swaps

    async def load(self, request: messages.RepositoryModelLoadRequest) -> Message:
        """Serve another engine under the model's name."""
        swaps = opened(self._swaps)
        told = {name: getattr(each, _kind(each)) for name, each in request.parameters.items() if _kind(each)}
        await swaps.load(request.model_name, requested_engine(told))
        return messages.RepositoryModelLoadResponse()

    async def unload(self, request: messages.RepositoryModelUnloadRequest) -> Message:
        """Serve the model no more. No model here has dependents, whatever is asked of them."""
        await opened(self._swaps).unload(request.model_name)
        return messages.RepositoryModelUnloadResponse()


def _kind(parameter: messages.ModelRepositoryParameter) -> str:
    """Which field holds the value; "": none."""
    return parameter.WhichOneof("parameter_choice") or ""
