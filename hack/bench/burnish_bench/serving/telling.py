"""Results as tables: on the terminal, as markdown."""

import re
from collections.abc import Mapping

from burnish_bench.serving.results import Cell, Latency, Overload, Results
from burnish_bench.serving.tools import NOTHING

# NVIDIA's client cannot read an error that is not the protocol's.
CLIENT_WORDS = re.compile(r"an exception occurred in the client while decoding the response: .*? response: ")
Row = list[object]
Section = tuple[str, list[str], list[Row]]
LATENCY = ["server", "p50", "p90", "p99", "p50 over raw", "p90 over raw", "p99 over raw", "requests"]
OVERLOAD = [
    *("server", "offered/s", "p99 unloaded", "p99 accepted", "accepted", "refused", "share refused"),
    *("refusal p50", "refusal p99", "unanswered", "wrong"),
]
MISSING = ["server, mode: why"]


def sections(results: Results) -> list[Section]:
    """All tables that have rows: heading, columns, rows."""
    found: list[Section] = []
    for mode, cells in results.cells.items():
        titles = {name: _title(results, name) for name in cells}
        found += [
            (f"{mode}: latency at concurrency 1, ms", LATENCY, _latencies(cells, titles)),
            (f"{mode}: right answers a second", *_throughputs(cells, titles)),
            (f"{mode}: 2 × overload, ms", OVERLOAD, _overloads(cells, titles)),
        ]
    return [section for section in [*found, ("No result", MISSING, _missing(results))] if section[2]]


def _title(results: Results, name: str) -> str:
    titles: Mapping[str, str] = results.facts.get("titles", {})
    return titles.get(name, name)


def _latencies(cells: Mapping[str, Cell], titles: Mapping[str, str]) -> list[Row]:
    return [
        [titles[name], *_latency(cell.latency, computes=name != NOTHING)]
        for name, cell in cells.items()
        if cell.latency
    ]


def _latency(found: Latency, *, computes: bool) -> Row:
    over = (found.over_p50, found.over_p90, found.over_p99) if computes else (None,) * 3
    return [*(_ms(value) for value in (found.p50, found.p90, found.p99, *over)), found.requests]


def _throughputs(cells: Mapping[str, Cell], titles: Mapping[str, str]) -> tuple[list[str], list[Row]]:
    tried = sorted({each.concurrency for cell in cells.values() for each in cell.throughput})
    columns = ["server", *(f"{each} client{'s' if each > 1 else ''}" for each in tried), "refused", "wrong"]
    rows: list[Row] = [
        [
            titles[name],
            *(_rounded(cell.per_second(each)) for each in tried),
            sum(each.refused for each in cell.throughput),
            sum(each.wrong for each in cell.throughput),
        ]
        for name, cell in cells.items()
        if cell.throughput
    ]
    return columns, rows


def _overloads(cells: Mapping[str, Cell], titles: Mapping[str, str]) -> list[Row]:
    return [[titles[name], *_overload(cell.overload)] for name, cell in cells.items() if cell.overload]


def _overload(found: Overload) -> Row:
    asked = found.accepted + found.refused + found.unanswered
    return [
        _rounded(found.offered_per_second),
        _ms(found.unloaded_p99),
        "no answer" if found.accepted_p99 is None else _ms(found.accepted_p99),
        found.accepted,
        found.refused,
        f"{found.refused / asked:.0%}" if asked else None,
        _ms(found.refused_p50),
        _ms(found.refused_p99),
        found.unanswered,
        found.wrong,
    ]


def _missing(results: Results) -> list[Row]:
    return [
        [f"{_title(results, name)}, {mode}: {plain(reason)}"]
        for mode, cells in results.cells.items()
        for name, cell in cells.items()
        for reason in _reasons(cell)
    ]


def plain(reason: str) -> str:
    """What a server said, on one line, without what its client says around that."""
    return CLIENT_WORDS.sub("", " ".join(reason.split()))[:160]


def _reasons(cell: Cell) -> list[str]:
    parts = [
        cell.failed,
        *(f"{each.concurrency} clients: {each.failed}" for each in cell.throughput if each.failed),
    ]
    if cell.overload and cell.overload.failed:
        parts.append(f"overload: {cell.overload.failed}")
    return [part for part in parts if part]


def _ms(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds * 1e3:.2f}"


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
