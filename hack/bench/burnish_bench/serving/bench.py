"""One run: every figure of every server, mode by mode."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from burnish_bench.serving import latency, loads, overload, throughput
from burnish_bench.serving.fleet import Server
from burnish_bench.serving.modes import Mode
from burnish_bench.serving.results import Results
from burnish_bench.serving.tools import NOTHING, RAW
from burnish_bench.serving.workload import Workload


@dataclass(frozen=True)
class Bench:
    """What a run needs, and what it found. seconds: of measuring, for each figure of a server."""

    work: Workload
    clients: frozenset[int]
    results: Results
    seconds: float
    concurrencies: Sequence[int]
    tell: Callable[[str], None]

    def cannot(self, modes: Sequence[Mode], reasons: Mapping[str, str]) -> None:
        """Note servers that are not there at all."""
        for name, reason in reasons.items():
            for mode in modes:
                self.results.cell(mode, name).failed = reason

    def measure(self, mode: Mode, servers: Mapping[str, Server]) -> None:
        """Everything in one mode."""
        self.results.cell(mode, RAW)
        for name, server in servers.items():
            self.results.cell(mode, name).failed = server.failed.get(mode, "")
        able = {name: server for name, server in servers.items() if mode not in server.failed}
        whole = {name: server for name, server in able.items() if not server.tool.capacity_of}
        self._latency(mode, whole)
        for concurrency in self.concurrencies:
            self._throughput(mode, whole, concurrency)
        for name, server in able.items():
            if name != NOTHING:
                self._overload(mode, name, server)

    def _latency(self, mode: Mode, servers: Mapping[str, Server]) -> None:
        self.tell(f"{mode}: latency of {', '.join(servers)}")
        sides = latency.measure(servers, mode, self.work, self.seconds)
        for name, side in sides.items():
            if side.failed:
                self.results.cell(mode, name).failed = side.failed
            else:
                self.results.cell(mode, name).latency = latency.figures(side, sides[RAW])

    def _throughput(self, mode: Mode, servers: Mapping[str, Server], concurrency: int) -> None:
        self.tell(f"{mode}: throughput with {concurrency} clients")
        found = throughput.measure(
            servers,
            mode,
            self.work,
            concurrency=concurrency,
            seconds=self.seconds,
            processors=self.clients,
        )
        for name, each in found.items():
            self.results.cell(mode, name).throughput.append(each)

    def _overload(self, mode: Mode, name: str, server: Server) -> None:
        cell = self.results.cell(mode, name)
        capacity = self.results.cell(mode, server.tool.capacity_of or name).best_per_second
        if not capacity:
            return
        self.tell(f"{mode}: twice what {name} can do")
        try:
            cell.overload = overload.measure(
                server,
                mode,
                self.work,
                capacity_per_second=capacity,
                seconds=self.seconds,
                processors=self.clients,
            )
        except loads.LoadFailed as error:
            cell.failed = str(error)
