"""All that is told without computing: what the server and its models say of themselves, as messages.

The documents are those of HTTP (`burnish_serving.protocol.metadata`), by the field names that both share.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from burnish_serving.errors import NotReady, UnknownModel, UnsupportedCall
from burnish_serving.grpc.proto import open_inference_pb2 as messages
from burnish_serving.models import Models, ServedModel
from burnish_serving.protocol import metadata

Answer: TypeAlias = Callable[[Any], Message | Awaitable[Message]]
_UNSERVED: Mapping[str, str] = {
    "SharedMemory": "tensors in the request: memory is not shared with clients",
    "TraceSetting": "the server's own settings: traces are not set by clients",
    "LogSettings": "the server's own settings: logs are not set by clients",
}


class Documents:
    """One method for each call, by the call's name: a request's message in, an answer's out.

    Calls that change something are not among them: see `grpc.repository`.
    """

    def __init__(self, models: Models) -> None:
        self._models = models

    def answer_to(self, call: str) -> Answer:
        """What answers a call of the service; a call that is not served is answered by its refusal."""
        known: Mapping[str, Answer] = {
            "ServerLive": lambda _: messages.ServerLiveResponse(live=True),
            "ServerReady": lambda _: messages.ServerReadyResponse(ready=self._models.is_ready),
            "ServerMetadata": lambda _: _filled(
                messages.ServerMetadataResponse(), metadata.server_metadata()
            ),
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._statistics,
            "RepositoryIndex": self._index,
        }
        return known.get(call, lambda _: _refuse(call))

    def is_ready(self, name: str, version: str | None = None) -> bool:
        """Whether a model may be asked; one that is not there may not.

        Source: open_inference_grpc.proto, ModelReady; Triton answers the same.
        """
        try:
            self._models.find(name, version)
        except (UnknownModel, NotReady):
            return False
        return self._models.is_ready

    def _model_ready(self, request: messages.ModelReadyRequest) -> Message:
        return messages.ModelReadyResponse(ready=self.is_ready(request.name, request.version or None))

    def _model_metadata(self, request: messages.ModelMetadataRequest) -> Message:
        model = self._find(request)
        return _filled(
            messages.ModelMetadataResponse(), metadata.model_metadata(model.name, model.descriptor)
        )

    def _model_config(self, request: messages.ModelConfigRequest) -> Message:
        model = self._find(request)
        document = {"config": metadata.model_config(model.name, model.descriptor)}
        return _filled(messages.ModelConfigResponse(), document)

    def _statistics(self, request: messages.ModelStatisticsRequest) -> Message:
        asked = [self._find(request)] if request.name else self._models.all()
        document = {"model_stats": [model.statistics() for model in asked]}
        return _filled(messages.ModelStatisticsResponse(), document)

    def _index(self, request: messages.RepositoryIndexRequest) -> Message:
        ready = self._models.is_ready
        shown = self._models.all() if ready or not request.ready else []
        state = "READY" if ready else "UNAVAILABLE"
        document = {"models": metadata.repository_index({model.name: state for model in shown})}
        return _filled(messages.RepositoryIndexResponse(), document)

    def _find(self, request: Any) -> ServedModel:
        return self._models.find(request.name, request.version or None)


def _filled(message: Message, document: Mapping[str, Any]) -> Message:
    """The message with what the document says and the protocol has a field for."""
    return ParseDict(dict(document), message, ignore_unknown_fields=True)


def _refuse(call: str) -> Message:
    expected = next(expected for part, expected in _UNSERVED.items() if part in call)
    raise UnsupportedCall(call, found="a call that is not served", expected=expected)
