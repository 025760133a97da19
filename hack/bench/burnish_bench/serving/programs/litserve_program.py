"""LitServe around an API that reads and writes the protocol's JSON: the library itself knows no tensors."""

from typing import Any

import litserve
import numpy as np

from burnish_bench.serving.programs.session import arguments, open_session, run

DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT32": np.int32, "INT64": np.int64}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


class OnnxApi(litserve.LitAPI):  # type: ignore[misc]  # its base is untyped here
    """ONNX Runtime as a LitServe API."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(api_path=f"/v2/models/{name}/infer")
        self._path, self._name = path, name

    def setup(self, device: str) -> None:
        """Open the model, in the worker's process."""
        self._session = open_session(self._path)

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """JSON -> arrays."""
        return {
            tensor["name"]: np.asarray(tensor["data"], DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
            for tensor in request["inputs"]
        }

    def predict(self, x: dict[str, Any]) -> dict[str, Any]:
        """One request."""
        return run(self._session, x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Arrays -> JSON."""
        outputs = [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": NAMES[array.dtype],
                "data": array.ravel().tolist(),
            }
            for name, array in output.items()
        ]
        return {"model_name": self._name, "outputs": outputs}


def main() -> None:
    """Serve until told to end."""
    found = arguments()
    server = litserve.LitServer(OnnxApi(found.model, found.name), accelerator="cpu", devices=1)
    server.run("127.0.0.1", found.http_port, num_api_servers=1, generate_client_file=False, log_level="error")


if __name__ == "__main__":
    main()
