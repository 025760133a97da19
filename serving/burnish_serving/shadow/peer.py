"""The stable peer: the same request over HTTP with binary tensors, and its answer as arrays."""

import json
from typing import Any

import httpx

from burnish_engine.errors import one_line
from burnish_runtime.session import Array
from burnish_serving.errors import InvalidRequest, PeerFailed
from burnish_serving.protocol import binary_data
from burnish_serving.protocol.decode import HEADER_LENGTH
from burnish_serving.protocol.messages import InferRequest

TIMEOUT_SECONDS = 10.0
# An answer of the same shapes is about as long as ours; the rest is its head.
SPARE_BYTES = 1 << 20


class Peer:
    """One server that speaks the Open Inference Protocol. `url`: with or without `/v2/models/NAME`."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport)

    def infer(self, model: str, request: InferRequest, like_bytes: int) -> dict[str, Array]:
        """The peer's outputs by name.

        Args: like_bytes: how large our own answer is; a much larger one is not read.
        Raises: PeerFailed: no answer, an error, or one that cannot be read.
        """
        base = self._url if "/v2/models/" in self._url else f"{self._url}/v2/models/{model}"
        body, header_length = encode_request(request)
        headers = {HEADER_LENGTH: str(header_length), "Content-Type": "application/octet-stream"}
        try:
            with self._http.stream("POST", f"{base}/infer", content=body, headers=headers) as response:
                data = self._read(response, like_bytes + SPARE_BYTES)
            return decode_answer(data, response.headers.get(HEADER_LENGTH))
        except (httpx.HTTPError, httpx.InvalidURL, InvalidRequest, ValueError, KeyError, TypeError) as error:
            raise self._failed(f"{type(error).__name__}: {one_line(error)}") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _read(self, response: httpx.Response, limit_bytes: int) -> bytes:
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > limit_bytes:
                raise self._failed(f"more than {limit_bytes} bytes")
        if response.status_code != 200:
            raise self._failed(f"status {response.status_code}: {bytes(data[:200])!r}")
        return bytes(data)

    def _failed(self, found: str) -> PeerFailed:
        return PeerFailed(self._url, found=found, expected="an answer to compare with")


def encode_request(request: InferRequest) -> tuple[bytes, int]:
    """A request with binary tensors both ways, and the length of its JSON."""
    chunks = [binary_data.encode(tensor.array, tensor.datatype) for tensor in request.inputs]
    document: dict[str, Any] = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.array.shape),
                "parameters": {"binary_data_size": len(chunk)},
            }
            for tensor, chunk in zip(request.inputs, chunks, strict=True)
        ],
        "parameters": {"binary_data_output": True},
    }
    if request.outputs:
        document["outputs"] = [
            {"name": output.name, "parameters": {"binary_data": True}} for output in request.outputs
        ]
    header = json.dumps(document, separators=(",", ":")).encode()
    return b"".join([header, *chunks]), len(header)


def decode_answer(data: bytes, header_length: str | None) -> dict[str, Array]:
    """Outputs by name. All must be binary: that is what was asked for.

    Raises: InvalidRequest, ValueError, KeyError, TypeError: not such an answer.
    """
    length = len(data) if header_length is None else int(header_length)
    offset, found = length, {}
    for output in json.loads(data[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        piece = memoryview(data)[offset : offset + size]
        name = str(output["name"])
        found[name] = binary_data.decode(
            piece, output["datatype"], tuple(output["shape"]), f"output {name!r}"
        )
        offset += size
    return found
