"""Throughput: clients that each wait for their answer, servers in turns."""

from collections.abc import Mapping, Sequence

from burnish_bench.serving import loads
from burnish_bench.serving.clients.load import Order
from burnish_bench.serving.fleet import Server
from burnish_bench.serving.modes import Mode
from burnish_bench.serving.results import Throughput
from burnish_bench.serving.workload import Workload

CONCURRENCIES = (1, 8, 64)
ROUNDS = 2
WARM_UP_SECONDS = 0.3


def measure(
    servers: Mapping[str, Server],
    mode: Mode,
    work: Workload,
    *,
    concurrency: int,
    seconds: float,
    processors: frozenset[int],
) -> dict[str, Throughput]:
    """By tool. seconds: of each, in `ROUNDS` turns, forwards and backwards."""
    found: dict[str, list[loads.Found]] = {name: [] for name in servers}
    broken: dict[str, str] = {}
    for number in range(ROUNDS):
        for name in list(servers) if number % 2 == 0 else reversed(list(servers)):
            port, request = servers[name].port(mode), str(work.request(mode))
            order = Order(mode, port, request, concurrency, seconds / ROUNDS, WARM_UP_SECONDS)
            try:
                found[name].append(loads.run(order, work, processors))
            except loads.LoadFailed as error:
                broken[name] = str(error)
    return {name: summary(concurrency, found[name], broken.get(name, "")) for name in servers}


def summary(concurrency: int, turns: Sequence[loads.Found], broken: str) -> Throughput:
    """All turns of one server together."""
    right = sum(len(turn.accepted) - turn.wrong for turn in turns)
    seconds = sum(turn.seconds for turn in turns)
    return Throughput(
        concurrency,
        right / seconds if seconds else 0.0,
        sum(len(turn.refused) for turn in turns),
        sum(turn.wrong for turn in turns),
        broken or most_common_failure(turns),
    )


def most_common_failure(turns: Sequence[loads.Found]) -> str:
    """In words, with its count; nothing where none failed."""
    counts: dict[str, int] = {}
    for turn in turns:
        for reason, count in turn.failed.items():
            counts[reason] = counts.get(reason, 0) + count
    if not counts:
        return ""
    reason = max(counts, key=lambda each: counts[each])
    return f"{sum(counts.values())} × {reason}"
