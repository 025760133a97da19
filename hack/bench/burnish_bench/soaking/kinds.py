"""What is asked in a soak, how often, and what must come of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

from burnish_bench.serving.answers import close
from burnish_bench.serving.modes import Arrays, Call
from burnish_bench.soaking.clients import Clients, Unexpected
from burnish_bench.soaking.samples import Known, pick

PAGES = ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{model}", "/v2/models/{model}/stats")
REQUESTS = "burnish_request_duration_seconds"
Ask = Callable[[Clients, Known, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """One kind of request. ask: raises where what comes is not what must come."""

    name: str
    weight: int
    ask: Ask


async def http_binary(clients: Clients, known: Known, _: random.Random) -> None:
    """Right answers as binary tensors."""
    _compare(await clients.infer_http(known.call, binary=True), known)


async def http_json(clients: Clients, known: Known, _: random.Random) -> None:
    """Right answers as JSON."""
    _compare(await clients.infer_http(known.call, binary=False), known)


async def http_compressed(clients: Clients, known: Known, rng: random.Random) -> None:
    """Right answers, compressed both ways."""
    compression = rng.choice(("gzip", "deflate"))
    _compare(await clients.infer_http(known.call, binary=True, compression=compression), known)


async def grpc(clients: Clients, known: Known, _: random.Random) -> None:
    """Right answers over gRPC."""
    _compare(await clients.infer_grpc(known.call), known)


async def malformed(clients: Clients, _: Known, rng: random.Random) -> None:
    """What is no request is refused."""
    body = rng.choice(
        (b"{", b"[]", b"\xff" * 64, b'{"inputs": 7}', b'{"inputs": [{"name": "x"}]}', b"[" * 5000)
    )
    await _status(clients, clients.infer_path, {400}, body)


async def lying(clients: Clients, _: Known, rng: random.Random) -> None:
    """A header that promises more JSON than there is, or none."""
    headers = {"Inference-Header-Content-Length": rng.choice(("7", "999999", "-1", "x"))}
    await _status(clients, clients.infer_path, {400}, b"{}", headers)


async def unknown_model(clients: Clients, known: Known, rng: random.Random) -> None:
    """Models that are not served, over both protocols."""
    if rng.random() < 0.5:
        await _status(clients, "/v2/models/nobody/infer", {404}, b"{}")
        return
    await _refused("NOT_FOUND", clients.infer_grpc(known.call, "nobody"))


async def wrong_inputs(clients: Clients, known: Known, rng: random.Random) -> None:
    """A request without its inputs' right names, over both protocols."""
    call = Call({f"not-{name}": array for name, array in known.call.inputs.items()}, known.call.outputs)
    if rng.random() < 0.5:
        await _refused("400", clients.infer_http(call, binary=True))
        return
    await _refused("INVALID_ARGUMENT", clients.infer_grpc(call))


async def hang_up(clients: Clients, __: Known, rng: random.Random) -> None:
    """Clients that go away in the middle of a head or a body."""
    _, writer = await asyncio.open_connection("127.0.0.1", clients.ports.http)
    whole = (
        f"POST {clients.infer_path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode() + b"{" * 500
    )
    writer.write(whole[: rng.randrange(1, len(whole))])
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def pages(clients: Clients, _: Known, rng: random.Random) -> None:
    """What probes and people read."""
    await _status(clients, rng.choice(PAGES).format(model=clients.model), {200})


async def metrics(clients: Clients, _: Known, __: random.Random) -> None:
    """A scrape that can be parsed."""
    answer = await clients.plain.get(f"http://127.0.0.1:{clients.ports.metrics}/metrics")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    if REQUESTS not in names:
        raise Unexpected(f"metrics without {REQUESTS}")


KINDS: Sequence[Kind] = (
    Kind("HTTP, binary", 30, http_binary),
    Kind("HTTP, JSON", 10, http_json),
    Kind("HTTP, compressed", 5, http_compressed),
    Kind("gRPC", 30, grpc),
    Kind("malformed", 6, malformed),
    Kind("lying header", 4, lying),
    Kind("unknown model", 4, unknown_model),
    Kind("wrong inputs", 4, wrong_inputs),
    Kind("hang-up", 3, hang_up),
    Kind("health and metadata", 3, pages),
    Kind("metrics", 1, metrics),
)


async def ask(kind: Kind, clients: Clients, known: Sequence[Known], rng: random.Random) -> None:
    """One request of a kind."""
    await kind.ask(clients, pick(known, rng), rng)


def _compare(found: Arrays, known: Known) -> None:
    wrong = [n for n, array in known.expected.items() if found[n] is None or not close(found[n], array)]
    if wrong:
        raise Unexpected(f"wrong answer: {', '.join(wrong)}")


async def _status(
    clients: Clients,
    path: str,
    expected: set[int],
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    method = "GET" if body is None else "POST"
    answer = await clients.plain.request(method, path, content=body, headers=headers)
    if answer.status_code not in expected:
        raise Unexpected(f"{path}: {answer.status_code} {answer.text[:200]!r}, expected {expected}")


async def _refused(code: str, asked: Awaitable[Arrays]) -> None:
    try:
        await asked
    except InferenceServerException as error:
        if code not in str(error.status()):
            raise Unexpected(f"refused with {error.status()} {error.message()}, expected {code}") from error
        return
    raise Unexpected(f"answered, expected {code}")
