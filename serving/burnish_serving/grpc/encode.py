"""`InferResponse` -> bytes of a ModelInferResponse, or of a ModelStreamInferResponse."""

from burnish_serving.grpc import wire
from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferResponse, ModelStreamInferResponse
from burnish_serving.protocol import binary_data
from burnish_serving.protocol.messages import InferResponse

RAW_OUTPUT_CONTENTS = ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
INFER_RESPONSE = ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER
# Triton's clients end a stream by it. Here each request has one answer, which is its last.
FINAL_RESPONSE = "triton_final_response"
ENGINE = "burnish.engine"  # the digest of the engine that computed the answer


def encode(response: InferResponse) -> bytes:
    """A ModelInferResponse: every output as raw contents."""
    return b"".join(_pieces(response, final=False))


def encode_streamed(response: InferResponse) -> bytes:
    """A ModelStreamInferResponse that holds the answer."""
    return b"".join(wire.delimited(INFER_RESPONSE, _pieces(response, final=True)))


def encode_streamed_error(message: str, *, model_name: str, request_id: str) -> bytes:
    """A ModelStreamInferResponse that tells what was wrong with one request of a stream."""
    answer = ModelStreamInferResponse(error_message=message)
    answer.infer_response.model_name, answer.infer_response.id = model_name, request_id
    answer.infer_response.parameters[FINAL_RESPONSE].bool_param = True
    return answer.SerializeToString()


def _pieces(response: InferResponse, *, final: bool) -> list[wire.Buffer]:
    head = ModelInferResponse(
        model_name=response.model_name, model_version=response.model_version, id=response.id or ""
    )
    if response.engine:
        head.parameters[ENGINE].string_param = response.engine
    if final:
        head.parameters[FINAL_RESPONSE].bool_param = True
    raw: list[wire.Buffer] = []
    for output in response.outputs:
        head.outputs.add(name=output.name, datatype=output.datatype, shape=output.array.shape)
        raw += wire.delimited(RAW_OUTPUT_CONTENTS, [binary_data.encode(output.array, output.datatype)])
    return [head.SerializeToString(), *raw]
