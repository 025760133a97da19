"""Mutated requests against a running server, and what may come back.

Every case has its own seed: `Case.of(seed)` is the same bytes wherever it is made.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jsonschema
import numpy as np

from burnish_runtime.session import Array
from burnish_serving.http import openapi
from burnish_serving.protocol.decode import HEADER_LENGTH, decode_request
from support.fuzz_bytes import broken
from support.fuzz_requests import encoded, mutated, right
from support.raw_http import Answer, BrokenAnswer, RawConnection

# A fault that many cases have must not cost the time of all of them.
MAX_FAULTS = 20
_COMPONENTS = openapi.document()["components"]
ANSWER = jsonschema.Draft202012Validator(
    {"$ref": "#/components/schemas/InferenceResponse", "components": _COMPONENTS}
)


@dataclass(frozen=True)
class Case:
    """What is sent. `must_succeed`: it is right; `framed`: HTTP itself is."""

    seed: str
    data: bytes
    framed: bool
    must_succeed: bool

    @classmethod
    def of(cls, seed: str) -> "Case":
        """A twentieth is right, a fifth is broken HTTP, all others are well framed and wrong somewhere."""
        dice = random.Random(seed)
        kind = dice.random()
        if kind < 0.05:
            return cls(seed, encoded(right(dice), dice), framed=True, must_succeed=True)
        if kind < 0.25:
            return cls(seed, broken(dice), framed=False, must_succeed=False)
        return cls(seed, encoded(mutated(dice), dice), framed=True, must_succeed=False)


def judge(case: Case, answer: Answer | None) -> str | None:
    """What is wrong with an answer; None: nothing."""
    if answer is None:
        return "closed without an answer"
    if case.must_succeed and answer.status != 200:
        return f"{answer.status} for a right request: {answer.body[:200]!r}"
    if answer.status >= 500:
        return f"{answer.status}: {answer.body[:200]!r}"
    if answer.status >= 400:
        error = answer.json()
        return None if isinstance(error.get("error"), str) and error["error"] else f"no error in {error}"
    return _judge_success(case, answer)


def _judge_success(case: Case, answer: Answer) -> str | None:
    if answer.status != 200:
        return f"status {answer.status}"
    if not case.framed or "content-encoding" in answer.headers or not answer.body:
        return None
    document = answer.json()
    if not isinstance(document, dict) or "outputs" not in document or "model_name" not in document:
        return None  # a page that the mutated path or method leads to
    if not ANSWER.is_valid(document):
        return f"an answer against its schema: {document}"
    return _compare(case, document, answer)


def _compare(case: Case, document: dict[str, Any], answer: Answer) -> str | None:
    """The model repeats its inputs, hence the answer must. Decoded again as the inputs that they were."""
    sent = _sent(case)
    if sent is None:
        return None
    plain = [
        item for item in document["outputs"] if sent[f"x{item['name'][1:]}"].datatype == item["datatype"]
    ]
    if len(plain) != len(document["outputs"]):
        return None  # classified
    head = answer.body[: int(answer.headers.get(HEADER_LENGTH.lower(), len(answer.body)))]
    renamed = head.replace(b'"outputs":', b'"inputs":')
    tail = answer.body[len(head) :]
    for tensor in decode_request(bytearray(renamed + tail), str(len(renamed))).inputs:
        if not _same(tensor.array, sent[f"x{tensor.name[1:]}"].array):
            return f"{tensor.name} is {tensor.array}"
    return None


def _sent(case: Case) -> dict[str, Any] | None:
    head, _, body = case.data.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if b"transfer-encoding" in headers or b"content-encoding" in headers:
        return None
    length = headers.get(HEADER_LENGTH.lower().encode())
    return {
        tensor.name: tensor for tensor in decode_request(body, length and length.decode("latin-1")).inputs
    }


def _same(left: Array, right_: Array) -> bool:
    if left.dtype == object:
        return left.tolist() == right_.tolist()
    return left.shape == right_.shape and np.array_equal(left, right_, equal_nan=left.dtype.kind == "f")


@dataclass(frozen=True)
class Outcome:
    """How a case ended: the answer's status (0: closed instead), and what is wrong with it, if anything."""

    status: int
    fault: str | None


def ask(port: int, case: Case) -> Outcome:
    """Send a case on a connection of its own."""
    connection, status = RawConnection(port), 0
    try:
        connection.send(case.data)
        head_only = case.data.startswith(b"HEAD ")
        answer = connection.answer(head_only=head_only)
        while answer is not None and answer.status == 100:
            answer = connection.answer(head_only=head_only)
        status = answer.status if answer is not None else 0
        return Outcome(status, None if head_only else judge(case, answer))
    except (BrokenAnswer, TimeoutError, ValueError, KeyError) as error:
        return Outcome(status, f"{type(error).__name__}: {error}")
    finally:
        connection.socket.close()


def storm(port: int, seeds: Iterable[str], threads: int = 16) -> tuple[Counter[int], list[str]]:
    """Ask everything, many at once. Returns the statuses, and what was wrong with which case."""
    statuses: Counter[int] = Counter()
    wrong: list[str] = []

    def work(seed: str) -> None:
        if len(wrong) <= MAX_FAULTS:
            outcome = ask(port, Case.of(seed))
            with lock:
                statuses[outcome.status] += 1
                wrong.extend([f"{seed}: {outcome.fault}"] if outcome.fault else [])

    lock = threading.Lock()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, seeds):
            pass
    return statuses, wrong
