"""magika: what type a file is, by its first and last bytes."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from burnish_bench.tasks.base import CALIBRATION, Arrays, Example, Read, Task, carried_by
from burnish_bench.tasks.files import SUFFIXES, WRITERS, found, written
from burnish_bench.tasks.reading import accuracy
from burnish_bench.zoo import MAGIKA
from burnish_runtime.session import Array

HALF, BLOCK, PADDING = 1024, 4096, 256
EACH = {CALIBRATION: 4, "evaluation": 9}
# Positions of the labels in the model's own list (`target_labels_space` of its config.min.json, 1.0.3).
CLASSES = {
    "batch": 12,
    "bmp": 15,
    "bzip": 16,
    "c": 17,
    "cpp": 26,
    "css": 31,
    "csv": 32,
    "elf": 46,
    "gif": 58,
    "gzip": 64,
    "html": 71,
    "javascript": 83,
    "jpeg": 86,
    "json": 87,
    "markdown": 100,
    "npy": 110,
    "npz": 111,
    "onnx": 120,
    "parquet": 123,
    "pdf": 127,
    "pickle": 132,
    "png": 133,
    "python": 143,
    "pythonbytecode": 144,
    "shell": 161,
    "sqlite": 166,
    "tar": 175,
    "tiff": 180,
    "toml": 181,
    "txt": 186,
    "wav": 195,
    "webp": 197,
    "xml": 206,
    "xz": 208,
    "zip": 212,
}


def known_files(kind: str, _: Path) -> Iterator[Example]:
    """As many of every type as there are, up to `EACH`; calibration and evaluation share no file."""
    for label in sorted({*SUFFIXES.values(), *WRITERS}):
        if label in WRITERS:
            contents = islice(written(label, kind), EACH[kind])
        else:
            first = 0 if kind == CALIBRATION else EACH[CALIBRATION]
            contents = islice(found(label), first, first + EACH[kind])
        for content in contents:
            yield Example({"bytes": features(content)[None]}, label=CLASSES[label], truth=CLASSES[label])


def features(content: bytes) -> Array:
    """int32 [2048]: the first and the last 1,024 bytes of what is no white space, 256 where there is none.

    As the model's own package has it (blocks of 4,096 bytes are stripped, the end is padded at its front).
    """
    head, tail = content[:BLOCK].lstrip()[:HALF], content[-BLOCK:].rstrip()[-HALF:]
    padded = np.full(2 * HALF, PADDING, np.int32)
    padded[: len(head)] = np.frombuffer(head, np.uint8)
    if tail:
        padded[-len(tail) :] = np.frombuffer(tail, np.uint8)
    return padded


def class_reader(_: Path) -> Read:
    """The best class."""

    def read(outputs: Arrays) -> int:
        return int(np.argmax(outputs["target_label"].ravel()))

    return read


FILE_TYPE = Task(
    "magika",
    carried_by(MAGIKA.wheel),
    "accuracy on files of known type",
    "accuracy",
    known_files,
    class_reader,
    accuracy,
)
