"""`burnish rewrite` as a person runs it: real passes, real gates; `burnish compare` judges what came out."""

import json
from pathlib import Path
from typing import Any

import onnx
from click.testing import CliRunner

from burnish_cli.main import cli
from burnish_engine.report import RewriteReport
from support import optimizer_nets, rewrites


def burnish(*arguments: object) -> Any:
    return CliRunner().invoke(cli, [*map(str, arguments)])


def test_a_model_is_rewritten_proved_and_judged_equal(tmp_path: Path) -> None:
    source, out, page = tmp_path / "net.onnx", tmp_path / "out.onnx", tmp_path / "report.html"
    onnx.save(rewrites.net(fused=False), source)
    before = source.read_bytes()
    result = burnish("rewrite", source, "-o", out, "--report", page, "--threads", 1, "--output", "json")
    assert result.exit_code == 0, (result.output, result.exception)
    report = RewriteReport.model_validate(json.loads(result.stdout))
    assert report.after.nodes < report.before.nodes
    assert all(gate.passed for gate in report.gates)
    assert report.gate_seconds > 0
    assert all(p.gate_seconds <= p.seconds for p in report.passes)
    assert source.read_bytes() == before
    assert "The whole graph" in page.read_text("utf-8")
    judged = burnish("compare", source, out, "--threads", 1, "--output", "json")
    assert (judged.exit_code, json.loads(judged.stdout)["signature"]) == (0, [])


def test_what_cannot_be_proved_is_copied_unchanged_and_said(tmp_path: Path) -> None:
    source, out = tmp_path / "net.onnx", tmp_path / "out.onnx"
    model = optimizer_nets.conv_net()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Nothing", "com.example"
    model.opset_import.add(domain="com.example", version=1)
    onnx.save(model, source)
    result = burnish("rewrite", source, "-o", out)
    assert result.exit_code == 0, (result.output, result.exception)
    assert out.read_bytes() == source.read_bytes()
    assert "Copied unchanged: nothing could be proved" in result.stdout


def test_only_the_chosen_passes_run(tmp_path: Path) -> None:
    listed = burnish("rewrite", "--passes", "list", "--output", "json")
    names = list(json.loads(listed.stdout))
    onnx.save(optimizer_nets.conv_net(identities=3), tmp_path / "net.onnx")
    command = ("rewrite", tmp_path / "net.onnx", "-o", tmp_path / "out.onnx", "--output", "json")
    result = burnish(*command, "--passes", "remove-no-ops")
    assert [each["name"] for each in json.loads(result.stdout)["passes"]] == ["remove-no-ops"]
    assert [n.op_type for n in onnx.load(tmp_path / "out.onnx").graph.node].count("Identity") == 0
    unknown = burnish(*command, "--passes", "polish")
    assert (unknown.exit_code, all(name in unknown.stderr for name in names)) == (2, True)
