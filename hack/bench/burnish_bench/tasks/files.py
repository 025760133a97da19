"""Files of known type: what this Python carries by suffix, and what its libraries write."""

import bz2
import csv
import gzip
import io
import lzma
import pickle
import sqlite3
import sysconfig
import tarfile
import wave
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from burnish_bench.tasks.typesetting import some_words, words

SUFFIXES = {
    ".bat": "batch",
    ".c": "c",
    ".cpp": "cpp",
    ".css": "css",
    ".html": "html",
    ".js": "javascript",
    ".json": "json",
    ".md": "markdown",
    ".onnx": "onnx",
    ".py": "python",
    ".pyc": "pythonbytecode",
    ".sh": "shell",
    ".so": "elf",
    ".toml": "toml",
    ".xml": "xml",
}
PICTURES = {
    "png": "PNG",
    "jpeg": "JPEG",
    "gif": "GIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "webp": "WEBP",
    "pdf": "PDF",
}
LEAST_BYTES = 64
Write = Callable[[np.random.Generator, str], bytes]


def found(label: str) -> Iterator[bytes]:
    """Files of one type in the standard library and the packages beside it, in no alphabet's order."""
    suffix = next(s for s, known in SUFFIXES.items() if known == label)
    paths = {p for root in _roots() for p in root.rglob(f"*{suffix}") if _is_ours(p.relative_to(root))}
    for path in sorted(paths, key=lambda p: sha256(p.name.encode()).hexdigest()):
        if path.is_file() and path.stat().st_size >= LEAST_BYTES:
            yield path.read_bytes()


def written(label: str, kind: str) -> Iterator[bytes]:
    """Files of one type, each with other contents."""
    source, index = words(kind), 0
    while True:
        random = np.random.default_rng((len(label), sum(label.encode()), kind == "calibration", index))
        text = "\n".join(some_words(random, source, 60) for _ in range(int(random.integers(20, 200))))
        yield WRITERS[label](random, text)
        index += 1


def _roots() -> list[Path]:
    paths = sysconfig.get_paths()
    return list(dict.fromkeys(Path(paths[name]).resolve() for name in ("stdlib", "purelib")))


def _is_ours(path: Path) -> bool:
    """Not what somebody else installed beside the standard library."""
    return path.parts[0] not in {"site-packages", "dist-packages"}


def _picture(form: str) -> Write:
    def write(random: np.random.Generator, _: str) -> bytes:
        low = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        image = Image.fromarray(low).resize((int(random.integers(40, 200)), int(random.integers(40, 200))))
        buffer = io.BytesIO()
        image.save(buffer, form)
        return buffer.getvalue()

    return write


def _csv(random: np.random.Generator, text: str) -> bytes:
    buffer = io.StringIO()
    rows = csv.writer(buffer)
    rows.writerow(text.split()[:5])
    rows.writerows([[w, *(f"{v:.3f}" for v in random.normal(size=4))] for w in text.split()[:80]])
    return buffer.getvalue().encode()


def _zip(_: np.random.Generator, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", text)
    return buffer.getvalue()


def _tar(_: np.random.Generator, text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("notes.txt")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _npy(random: np.random.Generator, _: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, random.normal(size=(int(random.integers(4, 60)), 16)))
    return buffer.getvalue()


def _npz(random: np.random.Generator, _: str) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=random.normal(size=(int(random.integers(4, 60)), 16)), y=random.integers(0, 9, 7))
    return buffer.getvalue()


def _sqlite(_: np.random.Generator, text: str) -> bytes:
    with sqlite3.connect(":memory:") as base:
        base.execute("create table notes (line text)")
        base.executemany("insert into notes values (?)", [(line,) for line in text.splitlines()])
        base.commit()
        data = base.serialize()
    base.close()
    return data


def _wav(random: np.random.Generator, _: str) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((random.normal(size=4000) * 3000).astype(np.int16).tobytes())
    return buffer.getvalue()


def _parquet(random: np.random.Generator, text: str) -> bytes:
    buffer = io.BytesIO()
    lines = text.splitlines()
    pq.write_table(pa.table({"line": lines, "value": random.normal(size=len(lines))}), buffer)
    return buffer.getvalue()


WRITERS: dict[str, Write] = {
    "bzip": lambda _, text: bz2.compress(text.encode()),
    "csv": _csv,
    "gzip": lambda _, text: gzip.compress(text.encode(), mtime=0),
    "npy": _npy,
    "npz": _npz,
    "parquet": _parquet,
    "pickle": lambda _, text: pickle.dumps({"lines": text.splitlines()}),
    "sqlite": _sqlite,
    "tar": _tar,
    "txt": lambda _, text: text.encode(),
    "wav": _wav,
    "xz": lambda _, text: lzma.compress(text.encode()),
    "zip": _zip,
    **{label: _picture(form) for label, form in PICTURES.items()},
}
