"""Send real requests through a Service with NVIDIA's tritonclient: HTTP, binary tensors.

    python -m burnish_demo.ask ADDRESS MODEL SAMPLES.npz ANSWERS.npz [--seconds S] [--samples N]

A process of its own, because it may have to run inside the cluster's network. First every sample
once, its answers kept; then the same ones over and over for S seconds, so that the histograms of
the server have something to tell.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import np_to_triton_dtype

from burnish_demo import samples
from burnish_demo.samples import Array, Samples

READY_SECONDS = 30.0


def main(arguments: Sequence[str]) -> int:
    """Writes the outputs by name, and `seconds` float64 [requests]; prints a summary as JSON."""
    options = _parser().parse_args(arguments)
    data = samples.read(options.samples_file)
    count = min(samples.count(data), options.samples)
    client = triton.InferenceServerClient(url=options.address, connection_timeout=10.0, network_timeout=30.0)
    try:
        _wait_ready(client, options.model)
        seconds: list[float] = []
        answers = [_ask(client, options.model, samples.inputs_at(data, i), seconds) for i in range(count)]
        _load(client, options.model, data, seconds, options.seconds)
    finally:
        client.close()
    stacked: Samples = {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}
    samples.write(options.answers_file, {**stacked, "seconds": np.array(seconds)})
    print(json.dumps({"requests": len(seconds), "compared": count}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m burnish_demo.ask", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("model")
    parser.add_argument("samples_file", type=Path)
    parser.add_argument("answers_file", type=Path)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--samples", type=int, default=1 << 30)
    return parser


def _wait_ready(client: triton.InferenceServerClient, model: str) -> None:
    # A pod is ready some moments before every node's rules send traffic to it.
    ends = time.monotonic() + READY_SECONDS
    while True:
        try:
            if client.is_model_ready(model):
                return
        except OSError:
            pass
        if time.monotonic() > ends:
            sys.exit(f"model {model!r} is not ready behind the Service after {READY_SECONDS:.0f} s")
        time.sleep(0.3)


def _ask(
    client: triton.InferenceServerClient, model: str, inputs: Samples, seconds: list[float]
) -> dict[str, Array]:
    tensors = []
    for name, array in inputs.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=True)
        tensors.append(tensor)
    began = time.perf_counter()
    result = client.infer(model, tensors)
    seconds.append(time.perf_counter() - began)
    return {each["name"]: result.as_numpy(each["name"]) for each in result.get_response()["outputs"]}


def _load(
    client: triton.InferenceServerClient, model: str, data: Samples, seconds: list[float], duration: float
) -> None:
    ends = time.monotonic() + duration
    for index in itertools.cycle(range(samples.count(data))):
        if time.monotonic() >= ends:
            return
        _ask(client, model, samples.inputs_at(data, index), seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
