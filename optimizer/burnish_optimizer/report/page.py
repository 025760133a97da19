"""`report.html`: one file, no network, readable in light and dark, and on paper."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from burnish_engine.report import Report
from burnish_optimizer.report.beside import beside
from burnish_optimizer.report.chains import fused_regions
from burnish_optimizer.report.console import milliseconds, size, warnings
from burnish_optimizer.report.conversions import conversion_plots
from burnish_optimizer.report.curve import curve_plots
from burnish_optimizer.report.passes import told
from burnish_optimizer.report.plot import speedup_plot
from burnish_optimizer.report.words import seconds, share

TEMPLATE = "report.html.j2"


def render_page(report: Report, name: str) -> str:
    """The page. Everything is escaped: names and errors come from files that users hand in."""
    return (
        templates()
        .get_template(TEMPLATE)
        .render(
            report=report,
            name=name,
            plot=speedup_plot(report),
            curves=curve_plots(report.curves),
            conversions=conversion_plots(report),
            won=report.selected.recipe != "baseline",
            regions=fused_regions(report.passes),
            told=told(report.passes),
            beside=beside(report),
            warnings=warnings(report),
        )
    )


@cache
def templates() -> Environment:
    """The templates of all pages: everything that is put in is escaped, and nothing may be missing."""
    environment = Environment(
        loader=PackageLoader("burnish_optimizer.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(milliseconds=milliseconds, size=size, seconds=seconds, share=share)
    return environment
