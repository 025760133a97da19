"""Shadow compare: what agrees, what does not, and what a peer may do to us (nothing)."""

import threading
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from burnish_engine.request import Metric
from burnish_serving.errors import PeerFailed
from burnish_serving.metrics import ShadowMetrics
from burnish_serving.protocol.decode import HEADER_LENGTH, decode_request
from burnish_serving.protocol.encode import encode_response
from burnish_serving.protocol.messages import (
    InferRequest,
    InferResponse,
    InputTensor,
    OutputTensor,
    RequestedOutput,
)
from burnish_serving.shadow import mirror as mirrors
from burnish_serving.shadow.agreement import ShadowMetric, agreement, metric_for
from burnish_serving.shadow.line import Line
from burnish_serving.shadow.mirror import Mirror
from burnish_serving.shadow.peer import Peer

X = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], np.float32)
ALL = tuple(ShadowMetric)


def of(metric: ShadowMetric, ours: object, theirs: object) -> float:
    return agreement(metric, {"y": np.asarray(ours)}, {"y": np.asarray(theirs)})


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    "value", [X, X[:0], np.zeros(3), np.float32(4), np.array([1, 2]), np.array(["a"], object)]
)
def test_the_same_agrees(metric: ShadowMetric, value: object) -> None:
    assert of(metric, value, value) == 1.0


@pytest.mark.parametrize("metric", ALL)
def test_other_outputs_shapes_or_holes_do_not_agree(metric: ShadowMetric) -> None:
    assert agreement(metric, {"y": X}, {"z": X}) == 0.0
    assert of(metric, X, X[:1]) == 0.0
    assert of(metric, X, np.where(X > 2, np.nan, X)) == 0.0
    assert of(metric, np.full(3, np.nan), np.full(3, np.nan)) == 1.0


def test_top_1_is_the_share_of_rows_with_the_same_winner() -> None:
    assert of(ShadowMetric.TOP_1, X, X + 5) == 1.0
    assert of(ShadowMetric.TOP_1, X, X[::-1]) == 0.0
    assert of(ShadowMetric.TOP_1, X, np.array([[1, 2, 3], [1, 2, 3]], np.float32)) == 0.5


def test_cosine_and_distance_see_how_far() -> None:
    assert of(ShadowMetric.COSINE, X, 2 * X) == pytest.approx(1.0)
    assert of(ShadowMetric.COSINE, X, -X) == 0.0
    assert of(ShadowMetric.MAX_ABS, X, X * 0.9) == pytest.approx(1 - 0.3 / 2.7)
    assert of(ShadowMetric.MAX_ABS, X, X * 0) == 0.0


def test_integers_and_texts_count_entry_by_entry() -> None:
    assert of(ShadowMetric.COSINE, [1, 2, 3, 4], [1, 2, 3, 5]) == 0.75
    assert of(ShadowMetric.TOP_1, np.array(["a", "b"], object), np.array(["a", "c"], object)) == 0.5


def test_the_metric_is_the_nearest_to_the_engines_own() -> None:
    assert metric_for(Metric.ACCURACY) is metric_for("agreement") is ShadowMetric.TOP_1
    assert metric_for(Metric.COSINE) is metric_for("") is metric_for("entry") is ShadowMetric.COSINE


def request(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = X) -> InferRequest:
    return InferRequest((InputTensor("x", "FP32", array),), (RequestedOutput("y"),))


def response(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = X) -> InferResponse:
    return InferResponse("tiny", "1", (OutputTensor("y", "FP32", array, binary=True),))


def server(answer: Callable[[httpx.Request], httpx.Response]) -> Peer:
    return Peer("http://stable", httpx.MockTransport(answer))


def doubling(asked: httpx.Request) -> httpx.Response:
    """A peer that reads the request with our own decoder."""
    assert asked.url.path == "/v2/models/tiny/infer"
    decoded = decode_request(asked.content, asked.headers[HEADER_LENGTH])
    assert [output.name for output in decoded.outputs] == ["y"]
    output = OutputTensor("y", "FP32", decoded.inputs[0].array * 2, binary=True)
    encoded = encode_response(InferResponse("tiny", "1", (output,)))
    return httpx.Response(
        200, content=b"".join(encoded.pieces), headers={HEADER_LENGTH: str(encoded.header_length)}
    )


def test_a_peer_is_asked_in_binary_and_read_in_binary() -> None:
    found = server(doubling).infer("tiny", request(), X.nbytes)
    np.testing.assert_array_equal(found["y"], X * 2)


NONSENSE = {
    "status": httpx.Response(503, json={"error": "full"}),
    "no json": httpx.Response(200, content=b"hello"),
    "a list": httpx.Response(200, json=[]),
    "no outputs": httpx.Response(200, json={}),
    "no size": httpx.Response(200, json={"outputs": [{"name": "y", "datatype": "FP32", "shape": [1]}]}),
    "a length that is none": httpx.Response(200, content=b"{}", headers={HEADER_LENGTH: "x"}),
    "cut": httpx.Response(
        200,
        json={
            "outputs": [
                {"name": "y", "datatype": "FP32", "shape": [9], "parameters": {"binary_data_size": 36}}
            ]
        },
    ),
    "too much": httpx.Response(200, content=b" " * (2 << 20)),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_an_answer_that_is_none_is_a_failure(kind: str) -> None:
    with pytest.raises(PeerFailed):
        server(lambda _: NONSENSE[kind]).infer("tiny", request(), X.nbytes)


def test_a_peer_that_is_away_is_a_failure() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(PeerFailed, match="refused"):
        server(refuse).infer("tiny", request(), 0)


class House:
    """A mirror with its metrics, whose peer waits until it is let go."""

    def __init__(self, peer: Callable[[httpx.Request], httpx.Response], **settings: float) -> None:
        self.registry, self.go = CollectorRegistry(), threading.Event()

        def answer(asked: httpx.Request) -> httpx.Response:
            self.go.wait(30)
            return peer(asked)

        told = {"share": 1.0, "minimum": 0.99} | settings
        self.mirror = Mirror(server(answer), ShadowMetrics(self.registry), **told)  # type: ignore[arg-type]
        self.observe = self.mirror.observer("tiny", ShadowMetric.MAX_ABS)

    def count(self, result: str) -> float:
        labels = {"model": "tiny", "result": result}
        return self.registry.get_sample_value("burnish_shadow_requests_total", labels) or 0.0

    def wait(self, result: str, count: int) -> None:
        self.go.set()
        for _ in range(1000):
            if self.count(result) >= count:
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"{result}: {self.count(result)}")


def test_answers_that_agree_and_that_differ_are_counted() -> None:
    house = House(doubling)
    house.observe(request(), response(X * 2))
    house.wait("agreed", 1)
    house.observe(request(), response(X))
    house.wait("differed", 1)
    count = house.registry.get_sample_value("burnish_shadow_agreement_ratio_count", {"model": "tiny"})
    assert count == 2
    house.mirror.close()


def test_a_full_line_drops_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "LINE_LENGTH", 2)
    house = House(doubling)
    for _ in range(20):
        house.observe(request(), response(X * 2))
    assert house.count("dropped") >= 17  # one may be in hand
    house.wait("agreed", 2)
    house.mirror.close()


def test_a_failing_peer_costs_a_count_alone() -> None:
    house = House(lambda _: NONSENSE["status"])
    house.observe(request(), response())
    house.wait("failed", 1)
    house.mirror.close()
    house.observe(request(), response())
    assert house.count("dropped") == 1


def test_a_share_is_taken() -> None:
    house, chances = House(doubling), iter([0.005, 0.5, 0.02, 0.009])
    house.mirror._share, house.mirror._chance = 0.01, lambda: next(chances)
    for _ in range(4):
        house.observe(request(), response(X * 2))
    house.wait("agreed", 2)
    assert house.count("agreed") == 2
    house.mirror.close()


def test_a_line_is_bounded_in_bytes() -> None:
    line: Line[str] = Line(10, 100)
    assert line.put("a", 60)
    assert not line.put("b", 60)
    assert line.put("c", 40)
    assert line.get() == "a"
    assert line.put("b", 60)
    line.close()
    assert line.get() is None
    assert not line.put("d", 0)
