"""MiniLM: real sentences, and whether what is alike stays alike."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish_bench.places import peers_folder
from burnish_bench.tasks.base import CALIBRATION, Arrays, Example, Read, Scores, Task, carried_by
from burnish_bench.tasks.ranks import similarities, spearman
from burnish_bench.tasks.typesetting import MODULES
from burnish_bench.zoo import MINILM
from burnish_demo.prose import words_of

LENGTH = 64
COUNTS = {CALIBRATION: 128, "evaluation": 256}
TOKENIZER = Path(__file__).parents[1] / "tokens.py"
MASK = "attention_mask"


def sentences(kind: str, _: Path) -> Iterator[Example]:
    """Sentences of docstrings, padded to 64 tokens, the padding masked."""
    for ids in tokens(texts(kind)):
        used = ids[:LENGTH]
        padded, mask = np.zeros((2, 1, LENGTH), np.int64)
        padded[0, : len(used)], mask[0, : len(used)] = used, 1
        yield Example({"input_ids": padded, MASK: mask}, truth=len(used))


def texts(kind: str) -> list[str]:
    """The first sentences of 6 to 40 words, no two alike."""
    prose = " ".join(words_of(MODULES[kind]))
    found = [s for s in re.split(r"(?<=[.!?])\s+", prose) if 6 <= len(s.split()) <= 40 and s.isascii()]
    return list(dict.fromkeys(found))[: COUNTS[kind]]


def tokens(lines: Sequence[str]) -> list[list[int]]:
    """BERT's uncased word pieces with [CLS] and [SEP]; the peers' environment has the vocabulary."""
    command = [peers_folder() / "bin/python", TOKENIZER]
    done = subprocess.run(command, input=json.dumps(list(lines)), capture_output=True, text=True, check=True)
    found: list[list[int]] = json.loads(done.stdout)
    return found


def embedding_reader(_: Path) -> Read:
    """The sentence's embedding: the output of two axes that holds numbers, not tokens."""

    def read(outputs: Arrays) -> list[float]:
        embedding = next(a for a in outputs.values() if a.ndim == 2 and a.dtype.kind == "f")
        return [float(v) for v in embedding[0]]

    return read


def score(found: Sequence[Any], _: Sequence[Any], reference: Sequence[Any]) -> Scores:
    """Spearman's correlation of all pairs' similarities with the reference's."""
    return Scores(spearman(similarities(np.asarray(found)), similarities(np.asarray(reference))))


SENTENCES = Task(
    "minilm",
    carried_by(MINILM.wheel),
    "rank correlation of similarities with the reference's",
    "cosine",
    sentences,
    embedding_reader,
    score,
    transformer=True,
)
