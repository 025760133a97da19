"""docs/benchmarks.md and its pictures: written from results, never by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from burnish_bench import tables
from burnish_bench.optimizing import telling
from burnish_bench.optimizing.plot import picture
from burnish_bench.optimizing.results import Result
from burnish_bench.places import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
MODELS = ["model", "metric", "samples", "the reference's own"]
TEMPLATE = Path(__file__).with_name("page.md")


def write(results: Sequence[Result], facts: Mapping[str, Any], page: Path = PAGE) -> Path:
    """The page, and a picture beside it for each number of threads."""
    groups = {"one": [r for r in results if r.threads], "all": [r for r in results if not r.threads]}
    sections = [_section(name, group, page) for name, group in groups.items() if group]
    models = [[r.model, r.metric, r.samples, f"{r.reference:.4f}"] for r in groups["one"] or groups["all"]]
    parts = {
        "date": facts["date"],
        "machine": _machine(facts),
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        "results": "\n".join(sections),
        "models": tables.markdown("Models and labels", MODELS, models),
    }
    page.write_text(Template(TEMPLATE.read_text(encoding="utf-8")).substitute(parts), encoding="utf-8")
    return page


def _section(name: str, results: Sequence[Result], page: Path) -> str:
    """One number of threads: the verdicts first, then the picture, then the tables."""
    path = page.with_name(f"benchmarks-{name}.svg")
    threads = f"{name} thread{'s' if name == 'all' else ''}"
    title = f"Speed-up over ONNX Runtime's defaults, {threads}; hollow: fails its gate"
    path.write_text(picture(results, title), encoding="utf-8")
    tools = telling.shown(results)
    parts = [f"## {threads.capitalize()}", ""]
    parts += [f"- {line}" for line in telling.verdict_lines(results)]
    parts += ["", f"![{title}]({path.name})", ""]
    for heading, columns, rows in telling.sections(results, tools):
        parts.append(tables.markdown(heading, columns, rows))
    return "\n".join(parts)


def _machine(facts: Mapping[str, Any]) -> str:
    machine = facts["machine"]
    return f"Machine: {machine['model']}, {machine['cores']} processors ({machine['features']})."
