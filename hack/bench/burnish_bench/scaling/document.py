"""docs/benchmarks-operator.md: written from results, never by hand."""

from pathlib import Path
from string import Template

from burnish_bench import tables
from burnish_bench.places import ROOT
from burnish_bench.scaling import telling
from burnish_bench.scaling.bars import verdicts
from burnish_bench.scaling.results import Results

PAGE = ROOT / "docs" / "benchmarks-operator.md"
TEMPLATE = Path(__file__).with_name("page.md")


def write(results: Results, page: Path = PAGE) -> Path:
    """The page."""
    facts, machine = results.facts, results.facts["machine"]
    load = f"load {facts['load']} when the last run was over"
    parts = {
        "date": facts["date"],
        "machine": f"{machine['model']}, {machine['cores']} processors, {load}.",
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        "verdicts": "\n".join(f"- {each}" for each in verdicts(results.runs)),
        "results": "\n".join(tables.markdown(*section) for section in telling.sections(results)),
    }
    page.write_text(Template(TEMPLATE.read_text(encoding="utf-8")).substitute(parts), encoding="utf-8")
    return page
