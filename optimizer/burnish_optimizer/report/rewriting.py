"""What a rewrite did, for a terminal and as a page."""

from collections.abc import Iterable
from pathlib import Path

import onnx_ir as ir
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_engine.report import GateResult, PassReport, RewriteReport
from burnish_optimizer.report.bars import op_bars
from burnish_optimizer.report.chains import fused_regions
from burnish_optimizer.report.console import size
from burnish_optimizer.report.layers import Picture, picture
from burnish_optimizer.report.page import templates
from burnish_optimizer.report.passes import told
from burnish_optimizer.report.sketch import MOST_NODES, sketches
from burnish_optimizer.report.words import large, seconds, share
from burnish_optimizer.rewriting_files import write_whole

TEMPLATE = "rewrite.html.j2"
MOST_EVIDENCE = 20
Pictures = tuple[Picture, Picture]


def render_rewrite_page(report: RewriteReport, name: str, pictures: Pictures | None = None) -> str:
    """The page. Everything is escaped. `pictures`: both graphs, where they are small enough to be read."""
    return (
        templates()
        .get_template(TEMPLATE)
        .render(
            report=report,
            name=name,
            story=story(report),
            kept=sum(p.applied for p in report.passes),
            undone=sum(len(p.rolled_back) for p in report.passes),
            gate_share=gate_share(report),
            bars=op_bars(report.before.ops, report.after.ops),
            regions=fused_regions(report.passes),
            told=told(report.passes),
            pictures=pictures,
            facts=facts(report),
        )
    )


def pictures_of(before: ir.Model, after: ir.Model) -> Pictures | None:
    """Both main graphs drawn, what differs marked; None where one is too large to be read."""
    found = sketches(before, after)
    return (picture(found[0]), picture(found[1])) if found else None


def write_reports(paths: Iterable[Path], report: RewriteReport, source: Path, output: Path) -> None:
    """Write the page (`.html`) or the record (`.json`), by suffix."""
    for path in paths:
        if path.suffix == ".json":
            write_whole(path, report.model_dump_json(indent=2) + "\n")
        else:
            write_whole(path, render_rewrite_page(report, source.name, _drawn(report, source, output)))


def _drawn(report: RewriteReport, source: Path, output: Path) -> Pictures | None:
    """Nothing is read where there is too much to draw; weights in external data are not read at all."""
    counted = (report.before, report.after)
    if any(facts.nodes - facts.ops.get("Constant", 0) > MOST_NODES for facts in counted):
        return None
    return pictures_of(ir.load(source), ir.load(output))


def render_rewrite(report: RewriteReport) -> RenderableType:
    """A headline, one row a pass, what was rolled back and why, and the gates of the whole model."""
    return Group(Text(story(report), style="bold"), Text(), pass_table(report), Text(), closing(report))


def story(report: RewriteReport) -> str:
    """The result in one sentence."""
    if report.unproven:
        return f"Copied unchanged: nothing could be proved ({report.unproven})."
    count = sum(len(p.rolled_back) for p in report.passes)
    undone = f"{count or 'no'} {'change was' if count == 1 else 'changes were'} rolled back"
    changed = report.before.nodes - report.after.nodes
    nodes = (
        f"{report.before.nodes} nodes became {report.after.nodes}" if changed else "As many nodes as before"
    )
    return (
        f"{nodes}, {size(report.before.size_bytes)} became {size(report.after.size_bytes)}, "
        f"for {report.target}; {undone}; "
        f"{seconds(report.seconds)} s, {gate_share(report)} of the work was proof."
    )


def gate_share(report: RewriteReport) -> str:
    """What part of the work went into gates, some of which run beside the passes that follow."""
    work = report.gate_seconds + sum(p.seconds - p.gate_seconds for p in report.passes)
    return share(report.gate_seconds / work) if work else "–"


def facts(report: RewriteReport) -> list[tuple[str, str, str]]:
    """Before and after, by name."""
    before, after = report.before, report.after
    return [
        ("nodes", str(before.nodes), str(after.nodes)),
        ("op types", str(len(before.ops)), str(len(after.ops))),
        ("initializers", str(before.initializers), str(after.initializers)),
        ("parameters", large(before.parameters), large(after.parameters)),
        ("size", size(before.size_bytes), size(after.size_bytes)),
        ("opset", str(before.opset), str(after.opset)),
    ]


def pass_table(report: RewriteReport) -> Table:
    """One row a pass that has something to tell; the others by name, below (see `closing`)."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("pass", no_wrap=True)
    table.add_column("guarantee", no_wrap=True)
    for name in ("changes", "nodes", "seconds", "gate"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("result", overflow="fold")
    for each in told(report.passes).telling:
        table.add_row(*_row(each), Text(each.reason, style="" if each.applied else "dim"))
    return table


def closing(report: RewriteReport) -> Text:
    """Idle passes, what was rolled back with its evidence, and the gates of the whole model."""
    undone = [(p.name, r) for p in report.passes for r in p.rolled_back]
    text = Text()
    for reason, names in told(report.passes).idle.items():
        text.append(f"{reason}: {len(names)} passes\n", style="dim")
    for name, found in undone[:MOST_EVIDENCE]:
        text.append(f"rolled back: {name}, {found.rule} at {found.site}: {found.evidence}\n", style="yellow")
    if len(undone) > MOST_EVIDENCE:
        text.append(f"rolled back: {len(undone) - MOST_EVIDENCE} more (see --report)\n", style="yellow")
    for gate in report.gates:
        text.append(_gate(gate) + "\n", style="" if gate.passed else "red")
    return text


def _row(each: PassReport) -> tuple[Text, ...]:
    before, after = each.nodes_before, each.nodes_after
    nodes = "" if before is None or after is None or before == after else f"{before} → {after}"
    made = sum(change.changes for change in each.changes)
    words = (each.guarantee.value, str(made or ""), nodes, seconds(each.seconds), seconds(each.gate_seconds))
    return (Text(each.name, style="green" if each.applied else "dim"), *map(Text, words))


def _gate(gate: GateResult) -> str:
    said = f"{'✓' if gate.passed else '✗'} {gate.name}: {gate.found}"
    return said if gate.passed else f"{said}; expected {gate.expected}"
