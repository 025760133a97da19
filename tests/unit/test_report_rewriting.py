"""What a rewrite did, as people read it: on a terminal, as a page, and as pictures."""

import io
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path

import onnx_ir as ir
import pytest
from rich.console import Console

from burnish_engine.report import PassReport, RewriteReport, RuleReport
from burnish_optimizer.report import layers
from burnish_optimizer.report.bars import MOST_ROWS, op_bars, shortened
from burnish_optimizer.report.chains import WIDTH, chain, fused_regions
from burnish_optimizer.report.layers import layering, picture
from burnish_optimizer.report.page import render_page
from burnish_optimizer.report.passes import told
from burnish_optimizer.report.rewriting import pictures_of, render_rewrite, render_rewrite_page, write_reports
from burnish_optimizer.report.sketch import Sketch, SketchNode, sketches
from burnish_optimizer.report.words import large, seconds
from support import engines, rewrites

EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Collects tags and text, and checks that tags close."""

    VOID = frozenset({"meta", "br", "rect", "line", "path"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str | None] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_well_formed_self_contained_and_escaped() -> None:
    page = render_rewrite_page(rewrites.report(word=EVIL), EVIL, pictures_of(*rewrites.models()))
    tags = Tags(page)
    assert (tags.links, "script" in tags.seen) == ([], False)
    assert page.count("&lt;script&gt;") >= 6


def test_the_page_tells_every_pass_with_its_evidence() -> None:
    text = Tags(render_rewrite_page(rewrites.report(), "net.onnx")).text
    for word in (
        *("fuse-hard-swish", "x · Clip(x + 3, 0, 6) / 6 → HardSwish(x)", "rounding", "p2o.Mul.1"),
        *("94 regions within their bounds", "swallow", "3 of 12 elements differ", "the Clip has other users"),
        *("1.50 (75 %)", "batch 2, normal", "400 → 118", "6 of 6 probes"),
    ):
        assert word in text, word


def test_a_model_that_could_not_be_proved_is_said_plainly() -> None:
    unproven = rewrites.report(unproven="the source does not run")
    assert "Nothing could be proved" in render_rewrite_page(unproven, "net")
    assert "Copied unchanged: nothing could be proved (the source does not run)" in rendered(unproven)
    assert "Nothing could be proved" not in render_rewrite_page(rewrites.report(), "net")


def rendered(found: RewriteReport) -> str:
    file = io.StringIO()
    Console(file=file, width=160).print(render_rewrite(found))
    return file.getvalue()


def test_the_table_has_a_row_a_pass_and_the_evidence_of_what_was_undone() -> None:
    text = rendered(rewrites.report())
    assert "400 nodes became 118" in text
    assert "1 change was rolled back" in text
    assert "rolled back: drop-dead-nodes, swallow at y: 3 of 12 elements differ" in text
    assert "✓ whole model: 6 of 6 probes" in text


def test_the_page_of_an_engine_shows_the_same_section() -> None:
    passes = rewrites.report(word=EVIL).passes
    text = render_page(engines.report().model_copy(update={"passes": passes}), "net")
    assert "Fused regions" in text
    assert "<script>" not in text
    assert "HardSwish" in Tags(text).text
    assert "Fused regions" not in render_page(engines.report(), "net")


def test_reports_are_written_by_suffix(tmp_path: Path) -> None:
    before, after = rewrites.models()
    ir.save(before, tmp_path / "a.onnx")
    ir.save(after, tmp_path / "b.onnx")
    found = rewrites.report(unproven="x").model_copy(
        update={"before": rewrites.facts(20, {}), "after": rewrites.facts(8, {})}
    )
    paths = (tmp_path / "r/page.html", tmp_path / "r/record.json")
    write_reports(paths, found, tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert "The whole graph" in paths[0].read_text("utf-8")
    assert RewriteReport.model_validate_json(paths[1].read_text("utf-8")) == found


def test_a_large_graph_is_not_drawn_whole() -> None:
    assert sketches(ir.from_proto(rewrites.net(fused=False, blocks=30)), rewrites.models()[1]) is None


def test_only_what_differs_is_marked() -> None:
    found = sketches(*rewrites.models())
    assert found is not None
    before, after = ({n.label for n in s.nodes if n.style == "changed"} for s in found)
    assert (before, after) == ({"Add", "Clip", "Div", "Mul"}, {"HardSwish"})
    assert [n.style for n in found[0].nodes if n.label == "MatMul"] == ["same"] * 4


def test_edges_follow_the_values() -> None:
    found = sketches(*rewrites.models())
    assert found is not None
    nodes = found[1].nodes
    named = {(nodes[a].label, nodes[b].label) for a, b in found[1].edges}
    assert named == {
        ("x", "MatMul"), ("MatMul", "HardSwish"), ("HardSwish", "Add"), ("x", "Add"), ("Add", "MatMul"),
        ("Add", "Add"), ("Add", "y"),
    }  # fmt: skip


def test_boxes_do_not_overlap_and_lie_within_the_picture() -> None:
    for found in pictures_of(*rewrites.models()) or ():
        for node in found.nodes:
            assert 0 <= node.x <= found.width - found.box_width
            assert 0 <= node.y <= found.height - found.box_height
        for a, b in combinations(found.nodes, 2):
            assert abs(a.x - b.x) >= found.box_width or abs(a.y - b.y) >= found.box_height


def test_what_feeds_stands_left_of_what_is_fed_or_in_a_row_above() -> None:
    count = 3 * layers.COLUMNS
    nodes = tuple(SketchNode(f"n{i}", "", "same") for i in range(count))
    edges = (*pairwise(range(count)), (0, count - 1))
    drawn = picture(Sketch(nodes, edges))
    assert layering(Sketch(nodes, edges)) == list(range(count))
    assert len({node.y for node in drawn.nodes}) == 3
    for a, b in edges:
        left, right = drawn.nodes[a], drawn.nodes[b]
        assert left.y < right.y or left.x < right.x
    assert len(drawn.edges) == len(edges)


def test_a_graph_without_nodes_can_be_drawn() -> None:
    assert picture(Sketch((), ())).nodes == ()


def test_changed_op_types_come_first_and_long_lists_are_cut() -> None:
    before = {f"Op{i}": 100 - i for i in range(40)} | {"Rare": 1}
    bars = op_bars(before, before | {"Rare": 0})
    assert (bars.pairs[0].name, bars.pairs[0].style) == ("Rare", "fewer")
    assert (len(bars.pairs), bars.left_out) == (MOST_ROWS, 41 - MOST_ROWS)
    assert op_bars({}, {}).pairs == ()


def test_the_longest_bar_is_the_largest_count() -> None:
    bars = op_bars({"A": 10, "B": 5}, {"A": 2, "C": 20})
    widths = {pair.name: (pair.before_width, pair.after_width) for pair in bars.pairs}
    assert widths["C"] == (0.0, bars.width - bars.x - 110)
    assert widths["A"][0] == pytest.approx(5 * widths["A"][1], abs=0.3)


def test_a_chain_shows_one_application() -> None:
    rule = RuleReport(rule="r", changes=4, removed={"Mul": 8, "Add": 4, "Cast": 3}, added={"Gelu": 4})
    found = chain("pass", rule)
    assert [box.text for box in found.boxes] == ["Mul ×2", "Add", "Cast (3 in all)", "Gelu"]
    assert [box.style for box in found.boxes] == ["removed"] * 3 + ["added"]
    assert found.caption == "× 4"


def test_what_is_only_removed_leaves_nothing() -> None:
    found = chain("pass", RuleReport(rule="r", changes=1, removed={"Identity": 1}))
    assert [(box.text, box.style) for box in found.boxes] == [("Identity", "removed"), ("nothing", "gone")]
    assert found.caption == "once"


def test_long_chains_are_wrapped() -> None:
    rule = RuleReport(
        rule="r", changes=1, removed={f"com.example::VeryLongName{i}": 1 for i in range(30)}, added={"A": 1}
    )
    found = chain("pass", rule)
    assert found.height > 3 * 36
    assert all(box.x + box.width <= WIDTH + box.width for box in found.boxes)
    assert any("more" in box.text for box in found.boxes)


def test_only_kept_passes_have_a_region() -> None:
    rolled = rewrites.report().passes[0].model_copy(update={"applied": False})
    bare = PassReport(name="p", guarantee=rolled.guarantee, applied=True, reason="")
    assert [c.rule for c in fused_regions((*rewrites.report().passes, rolled, bare))] == ["hard-swish"]


def test_figures_for_people() -> None:
    assert [large(n) for n in (12, 1234, 2.5e6, 3.21e9, 1e12)] == ["12", "1.23 k", "2.5 M", "3.21 G", "1 T"]
    assert [seconds(s) for s in (0.0123, 0.5, 12.3)] == ["0.012", "0.50", "12"]
    assert shortened("com.microsoft::SkipLayerNormalization") == "…oft::SkipLayerNormalization"


def test_an_upgrade_of_everything_shows_what_differs() -> None:
    ops = {f"Op{i}": 3 for i in range(20)}
    upgraded = RuleReport(rule="r", changes=1, removed=ops, added=ops | {"Reshape": 2})
    report = rewrites.report().passes[0].model_copy(update={"changes": (upgraded,)})
    assert [box.text for box in fused_regions([report])[0].boxes] == ["Reshape ×2"]
    rewritten = upgraded.model_copy(update={"added": ops})
    assert fused_regions([report.model_copy(update={"changes": (rewritten,)})]) == ()


def test_passes_with_nothing_to_tell_are_named_together() -> None:
    kept, undone = rewrites.report().passes
    idle = [PassReport(name=n, guarantee=kept.guarantee, applied=False, reason="nothing to do") for n in "ab"]
    found = told([idle[0], kept, idle[1], undone])
    assert ([each.name for each in found.telling], found.idle) == (
        ["fuse-hard-swish", "drop-dead-nodes"],
        {"nothing to do": ["a", "b"]},
    )
    report = rewrites.report().model_copy(update={"passes": (kept, *idle)})
    assert "nothing to do: 2 passes" in rendered(report)
    assert "nothing to do (2): a, b." in Tags(render_rewrite_page(report, "net")).text
