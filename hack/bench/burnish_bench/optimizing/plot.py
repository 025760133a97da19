"""Speed-ups as a picture: a row a model, a mark a tool; hollow marks fail their gate. Pure: SVG as text."""

from collections.abc import Iterator, Sequence
from html import escape

from burnish_bench.optimizing.results import Result
from burnish_bench.optimizing.tools import BASELINE, TOOLS, Tool
from burnish_bench.optimizing.verdicts import close_enough, within_drop

LEFT, WIDTH, ROW, TOP = 110.0, 760.0, 34.0, 34.0
LEGEND_ROW, LEGEND_COLUMNS = 20.0, 4
# Okabe & Ito 2008: told apart by most who see colours otherwise.
COLOURS = (
    "#999999",
    "#56b4e9",
    "#f0e442",
    "#e69f00",
    "#0072b2",
    "#009e73",
    "#cc79a7",
    "#8c564b",
    "#d55e00",
    "#000000",
)
INK, FAINT = "#333333", "#dddddd"


def picture(results: Sequence[Result], title: str) -> str:
    """An SVG of all models of one number of threads."""
    drawn = [tool for tool in TOOLS if tool.name != BASELINE and any(r.speedup(tool.name) for r in results)]
    most = max((s for r in results for tool in drawn if (s := r.speedup(tool.name))), default=1.0) * 1.05
    legend = TOP + ROW * len(results) + 34
    height = legend + LEGEND_ROW * (-(-len(drawn) // LEGEND_COLUMNS)) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="8" y="18" fill="{INK}">{escape(title)}</text>',
        *_axis(most, TOP + ROW * len(results)),
        *(part for n, r in enumerate(results) for part in _row(r, drawn, TOP + ROW * (n + 0.5), most)),
        *_legend(drawn, legend),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _at(speedup: float, most: float) -> float:
    return LEFT + (WIDTH - LEFT - 20) * speedup / most


def _axis(most: float, bottom: float) -> Iterator[str]:
    for number in range(int(most) + 1):
        x, colour = _at(number, most), INK if number == 1 else FAINT
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{colour}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle" fill="{INK}">{number} ×</text>'


def _row(result: Result, drawn: Sequence[Tool], y: float, most: float) -> Iterator[str]:
    yield f'<text x="8" y="{y + 4:.1f}" fill="{INK}">{escape(result.model)}</text>'
    yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 20}" y2="{y:.1f}" stroke="{FAINT}"/>'
    for tool in drawn:
        if speedup := result.speedup(tool.name):
            passes = (close_enough if tool.cosine else within_drop)(result, tool.name)
            told = f"{tool.title}: {speedup:.2f} ×{'' if passes else ', fails the gate'}"
            yield _mark(tool, _at(speedup, most), y, hollow=not passes, told=told)


def _legend(drawn: Sequence[Tool], top: float) -> Iterator[str]:
    for number, tool in enumerate(drawn):
        x = 16 + (WIDTH - 16) / LEGEND_COLUMNS * (number % LEGEND_COLUMNS)
        y = top + LEGEND_ROW * (number // LEGEND_COLUMNS)
        yield _mark(tool, x, y, hollow=False, told=tool.title)
        yield f'<text x="{x + 12:.1f}" y="{y + 4:.1f}" fill="{INK}">{escape(tool.title)}</text>'


def _mark(tool: Tool, x: float, y: float, *, hollow: bool, told: str) -> str:
    """Ours are diamonds, peers are circles."""
    colour = COLOURS[TOOLS.index(tool) % len(COLOURS)]
    look = f'fill="{"#ffffff" if hollow else colour}" stroke="{colour}" stroke-width="2"'
    name = f"<title>{escape(told)}</title>"
    if tool.is_ours:
        corners = f"{x:.1f},{y - 8:.1f} {x + 8:.1f},{y:.1f} {x:.1f},{y + 8:.1f} {x - 8:.1f},{y:.1f}"
        return f'<polygon points="{corners}" {look}>{name}</polygon>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" {look}>{name}</circle>'
