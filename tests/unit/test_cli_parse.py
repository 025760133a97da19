"""The command line's own types, and errors that a person can act upon."""

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from burnish_cli import parse
from burnish_cli.main import COMMANDS, cli
from burnish_cli.optimize import name_of
from burnish_engine import store
from burnish_engine.errors import IntegrityError, InvalidEngine, NotFound
from burnish_engine.faults import diagnosed
from burnish_engine.request import Backend, Metric, Precision
from support import engines


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("10m", 600.0), ("1h30m", 5400.0), ("1.5s", 1.5), ("250us", 0.00025)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "10 m", "ten minutes", "-5s", "5d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        parse.seconds(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cosine", (Metric.COSINE, "")),
        ("detection-agreement", (Metric.DETECTION_AGREEMENT, "")),
        ("entry:team.metrics:totals", (Metric.ENTRY, "team.metrics:totals")),
        ("entry:totals", (Metric.ENTRY, "totals")),
    ],
)
def test_metrics_are_names_or_functions_of_the_users(text: str, read: tuple[Metric, str]) -> None:
    assert parse.MetricName().convert(text, None, None) == read


@pytest.mark.parametrize("text", ["cosines", "entry", "entry:", "cosine:x", ""])
def test_what_is_no_metric_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(click.BadParameter, match="top5-agreement"):
        parse.MetricName().convert(text, None, None)


def test_limits_that_do_not_go_with_the_metric_are_a_mistake_of_usage() -> None:
    result = CliRunner().invoke(cli, ["optimize", "m.onnx", "-o", "x", "--metric", "cer", "--minimum", "0.9"])
    assert result.exit_code == 2
    assert "Error: cer is better where it is lower: give max_drop" in result.output


def test_lists_keep_their_order_and_lose_their_doubles() -> None:
    convert = parse.Choices(Precision).convert
    assert convert("int8,FP32,INT8", None, None) == (Precision.INT8, Precision.FP32)
    assert parse.Choices(Backend).convert("openvino", None, None) == (Backend.OPENVINO,)


def test_a_goal_names_percentile_and_time() -> None:
    goal = parse.Latency().convert("p99=20ms", None, None)
    assert (goal.percentile, goal.seconds) == (99.0, pytest.approx(0.02))


@pytest.mark.parametrize("text", ["99=20ms", "p99", "p100=20ms", "p99=20", "p99=0ms"])
def test_a_bad_goal_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="found") as refused:
        parse.Latency().convert(text, None, None)
    assert "\n" not in str(refused.value)


def test_a_wrong_figure_is_told_by_the_flag_that_it_came_from(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["optimize", "m.onnx", "-o", str(tmp_path / "e"), "--budget", "0s"])
    assert (result.exit_code, "--budget: found 0.0" in result.output) == (2, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_an_engine_folder_is_inspected_and_verified(tmp_path: Path) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    inspected = CliRunner().invoke(cli, ["inspect", str(folder), "--output", "json"])
    assert inspected.exit_code == 0, inspected.output
    assert engines.KEY in inspected.output
    assert CliRunner().invoke(cli, ["verify", str(folder)]).exit_code == 0


def test_a_report_is_a_table_for_people(tmp_path: Path) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    result = CliRunner().invoke(cli, ["report", str(folder)])
    assert "openvino-bf16: 2.00 × as fast as the baseline" in result.output


def test_a_folder_whose_model_was_changed_is_not_verified(tmp_path: Path) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    (folder / "model/model.bin").write_bytes(b"other weights")
    result = CliRunner().invoke(cli, ["verify", str(folder)])
    assert isinstance(result.exception, IntegrityError)
    assert "model/model.bin" in str(result.exception)


@pytest.mark.parametrize("change", ["added", "missing", "untold"])
def test_a_folder_with_other_files_than_were_built_is_not_verified(tmp_path: Path, change: str) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    if change == "added":
        (folder / "model/more.bin").write_bytes(b"")
    elif change == "missing":
        (folder / "model/model.bin").unlink()
    else:
        untold = engines.descriptor().model_copy(update={"files": {}})
        (folder / "engine.json").write_text(untold.model_dump_json())
    with pytest.raises(InvalidEngine, match="missing or not told of: model/m"):
        store.verify_folder(folder)


def test_a_report_needs_no_page_unless_one_is_asked_for(tmp_path: Path) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    (folder / "report.html").unlink()
    assert CliRunner().invoke(cli, ["report", str(folder)]).exit_code == 0
    asked = CliRunner().invoke(cli, ["report", str(folder), "--html", str(tmp_path / "page.html")])
    assert isinstance(asked.exception, NotFound)


def test_names_that_look_like_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    marked = engines.descriptor().model_copy(update={"name": "net [x]", "target": {"name": "[/]"}})
    (folder / "engine.json").write_text(marked.model_dump_json())
    result = CliRunner().invoke(cli, ["inspect", str(folder)])
    assert result.exit_code == 0, result.exception
    assert "net [x]" in result.output
    assert "name: [/]" in result.output


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("oci://user.example:5000/models/net:1", "net"),
        ("oci://host.example/models/net@sha256:" + "0" * 64, "net"),
        ("https://me:secret@host.example/files/net.onnx?signature=secret", "net"),
        ("/data/me@home/a:b.onnx", "a:b"),
        ("/data/pages/.", "pages"),
    ],
)
def test_an_engine_is_named_after_its_sources_path(source: str, name: str) -> None:
    assert name_of(source) == name


def run_in_a_process(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from burnish_cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/model"), "DiskFull"),
        (PermissionError(errno.EACCES, "Permission denied", "/work"), "AccessDenied"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found"), "AccessDenied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), None),
        (ValueError("a defect of ours"), None),
    ],
)
def test_what_the_machine_refuses_is_diagnosed(error: Exception, reason: str | None) -> None:
    fault = diagnosed(error)
    assert (fault.reason if fault else None) == reason


def test_a_machine_that_refuses_ends_with_a_message_and_not_with_a_traceback(tmp_path: Path) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    full = run_in_a_process("report", str(folder), "--html", "/dev/full")
    assert (full.returncode, "Traceback" in full.stderr) == (3, False)
    assert "no space left" in full.stderr
