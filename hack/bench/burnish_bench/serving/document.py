"""docs/benchmarks-serving.md: written from results, never by hand."""

from pathlib import Path
from string import Template

from burnish_bench import tables
from burnish_bench.places import ROOT
from burnish_bench.serving import telling
from burnish_bench.serving.bars import verdicts
from burnish_bench.serving.results import Results

PAGE = ROOT / "docs" / "benchmarks-serving.md"
TEMPLATE = Path(__file__).with_name("page.md")


def write(results: Results, page: Path = PAGE) -> Path:
    """The page."""
    facts = results.facts
    machine = facts["machine"]
    parts = {
        "date": facts["date"],
        "machine": f"{machine['model']}, {machine['cores']} processors, load {facts['load']}.",
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        "model": facts["model"],
        "request": facts["request"],
        "placement": facts["placement"],
        "verdicts": "\n".join(f"- {each}" for each in verdicts(results, facts["queue_goal_seconds"])),
        "results": "\n".join(tables.markdown(*section) for section in telling.sections(results)),
    }
    page.write_text(Template(TEMPLATE.read_text(encoding="utf-8")).substitute(parts), encoding="utf-8")
    return page
