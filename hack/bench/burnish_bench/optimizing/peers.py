"""How peers build, by their own documentation. Runs in their environment, one build a process.

    python peers.py BUILDER MODEL CALIBRATION FOLDER [--transformer]

It leaves FOLDER/model.onnx or FOLDER/model.xml; what it raises is told by its last line.
"""

# ruff: noqa: PLC0415 (each tool is imported in the one process that runs it)

import argparse
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LABEL = "label"
MEMORY_BYTES = 10 << 30
Feeds = dict[str, Any]


def slim(model: Path, _: list[Feeds], folder: Path, *, transformer: bool) -> None:
    """`onnxslim model out`."""
    del transformer
    import onnxslim

    onnxslim.slim(str(model), str(folder / "model.onnx"))


def dynamic(model: Path, _: list[Feeds], folder: Path, *, transformer: bool) -> None:
    """ONNX Runtime: pre-processing, then `quantize_dynamic` with its defaults."""
    del transformer
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(prepared(model, folder), folder / "model.onnx")


def static(model: Path, feeds: list[Feeds], folder: Path, *, transformer: bool) -> None:
    """ONNX Runtime: pre-processing, then `quantize_static`: QDQ, MinMax, one scale a channel."""
    del transformer
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Feeds] = iter(feeds)

        def get_next(self) -> Feeds | None:
            return next(self._left, None)

    quantize_static(
        prepared(model, folder),
        folder / "model.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        calibrate_method=CalibrationMethod.MinMax,
    )


def nncf_int8(model: Path, feeds: list[Feeds], folder: Path, *, transformer: bool) -> None:
    """NNCF: `nncf.quantize` on the OpenVINO model, preset MIXED, the transformer scheme where it is one."""
    import nncf
    import openvino

    read = openvino.Core().read_model(str(model))
    names = {port.get_any_name() for port in read.inputs}
    data = nncf.Dataset([{k: v for k, v in each.items() if k in names} for each in feeds])
    done = nncf.quantize(
        read,
        data,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(feeds),
        model_type=nncf.ModelType.TRANSFORMER if transformer else None,
    )
    openvino.save_model(done, str(folder / "model.xml"), compress_to_fp16=False)


def prepared(model: Path, folder: Path) -> Path:
    """As ONNX Runtime's documentation asks before either quantization.

    Symbolic shape inference is left out where it breaks: it is for transformers, says the same page.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path = folder / "prepared.onnx"
    try:
        quant_pre_process(str(model), str(path))
    except Exception:  # noqa: BLE001 (whatever it raises)
        quant_pre_process(str(model), str(path), skip_symbolic_shape=True)
    return path


BUILDERS = {each.__name__: each for each in (slim, dynamic, static, nncf_int8)}


def _feeds(folder: Path) -> list[Feeds]:
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            found.append({name: archive[name] for name in archive.files if name != LABEL})
    return found


def main() -> None:
    """Build, within a bound of memory: what takes more fails, and the machine stays up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("builder", choices=list(BUILDERS))
    parser.add_argument("paths", nargs=3, type=Path)
    parser.add_argument("--transformer", action="store_true")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    model, calibration, folder = options.paths
    try:
        BUILDERS[options.builder](model, _feeds(calibration), folder, transformer=options.transformer)
    except Exception as error:  # noqa: BLE001 (the edge of the process: whatever a tool raises is its result)
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())[:400]}")


if __name__ == "__main__":
    main()
