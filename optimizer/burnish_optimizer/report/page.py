"""`report.html`: one file, no network, readable in light and dark."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from burnish_engine.report import Report
from burnish_optimizer.report.console import milliseconds, size
from burnish_optimizer.report.plot import speedup_plot

TEMPLATE = "report.html.j2"


def render_page(report: Report, name: str) -> str:
    """The page. Everything is escaped: names and errors come from files that users hand in."""
    environment = Environment(
        loader=PackageLoader("burnish_optimizer.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(milliseconds=milliseconds, size=size)
    return environment.get_template(TEMPLATE).render(
        report=report, name=name, plot=speedup_plot(report), won=report.selected.recipe != "baseline"
    )
