"""Results as tables: on the terminal, as markdown."""

import re
from collections.abc import Sequence

from burnish_bench.optimizing.results import Result
from burnish_bench.optimizing.tools import TOOLS, Tool
from burnish_bench.optimizing.verdicts import BARS, Bar, geomean, lines, verdict, within_drop

Row = list[object]
Section = tuple[str, list[str], list[Row]]
SPEED = (
    "Speed-up over ONNX Runtime's defaults, batch 1 (± half the 95 % interval; in brackets: drop above 1 %)"
)
ANSWERS = "Task metric less the reference's (which is in brackets), percent points / cosine"


def sections(results: Sequence[Result], tools: Sequence[Tool]) -> list[Section]:
    """All tables of one number of threads that have rows: heading, columns, rows."""
    headings = columns(tools)
    speeds = [speed_row(r, tools) for r in results]
    if len(results) > 1:
        speeds.append(mean_row(results, tools))
    every: list[Section] = [
        (SPEED, headings, speeds),
        (ANSWERS, headings, [metric_row(r, tools) for r in results]),
        *((f"Gate: {bar.title}", BAR_COLUMNS, bar_rows(results, bar)) for bar in BARS),
        ("No result", ["model", "tool", "why"], failures(results, tools)),
    ]
    return [section for section in every if section[2]]


def columns(tools: Sequence[Tool]) -> list[str]:
    """Headings of the tables that have a column a tool."""
    return ["model", *(tool.title for tool in tools)]


def shown(results: Sequence[Result]) -> list[Tool]:
    """The tools that were tried at all."""
    return [tool for tool in TOOLS if any(tool.name in r.built for r in results)]


def speed_row(result: Result, tools: Sequence[Tool]) -> Row:
    """Speed-up with half its interval's width. In brackets: the metric's drop is above 1 %."""
    return [result.model, *(_speed(result, tool) for tool in tools)]


def metric_row(result: Result, tools: Sequence[Tool]) -> Row:
    """The task metric's drop below the reference's, in percent points, and the cosine."""
    return [f"{result.model} ({result.reference:.3f})", *(_accuracy(result, tool.name) for tool in tools)]


def mean_row(results: Sequence[Result], tools: Sequence[Tool]) -> Row:
    """Geometric means over the models where the tool has a figure, and how many those are."""
    return ["geomean", *(_mean(results, tool.name) for tool in tools)]


def bar_rows(results: Sequence[Result], bar: Bar) -> list[Row]:
    """Model by model: ours, the best peer under the same gate, whether ours holds."""
    rows: list[Row] = []
    for result in (r for r in results if bar.tool in r.measured):
        v = verdict(result, bar)
        note = result.built[bar.tool].note
        ours = "fails" if v.ours is None else f"{v.ours:.2f} × ({note})"
        rows.append([v.model, ours, f"{v.best:.2f} × ({v.peer})", v.holds])
    return rows


BAR_COLUMNS = ["model", "ours", "best peer that passes", "not behind"]


def verdict_lines(results: Sequence[Result]) -> list[str]:
    """Both bars in words."""
    return [line for bar in BARS for line in lines(results, bar)]


def failures(results: Sequence[Result], tools: Sequence[Tool]) -> list[Row]:
    """Model, tool, why it has no result."""
    return [
        [result.model, tool.title, _without_folders(reason)[:150]]
        for result in results
        for tool in tools
        if (reason := result.failure(tool.name))
    ]


def _without_folders(reason: str) -> str:
    """Where files were on this machine is nobody else's business."""
    return re.sub(r"(?<!\w)(?:/[\w.-]+)+/", "…/", reason)


def _speed(result: Result, tool: Tool) -> str:
    measured = result.measured.get(tool.name)
    if result.failure(tool.name):
        return "fails"
    if measured is None or measured.speedup is None or measured.low is None or measured.high is None:
        return "–"
    half = (measured.high - measured.low) / 2
    text = f"{measured.speedup:.2f} ±{half:.2f}"
    return text if within_drop(result, tool.name) else f"({text})"


def _accuracy(result: Result, tool: str) -> str:
    drop, judged = result.drop(tool), result.judged.get(tool)
    if drop is None or judged is None or judged.cosine is None:
        return "–"
    return f"{100 * (0 - drop):+.2f} / {judged.cosine:.4f}"


def _mean(results: Sequence[Result], tool: str) -> str:
    values = [value for r in results if (value := r.speedup(tool)) and not r.failure(tool)]
    mean = geomean(values)
    return f"{mean:.2f} ({len(values)})" if mean else "–"
