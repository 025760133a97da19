"""The command line's own types, and errors that a person can act upon."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from burnish_cli import parse
from burnish_cli.main import COMMANDS, cli
from burnish_engine.request import Backend, Precision
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


def test_lists_keep_their_order_and_lose_their_doubles() -> None:
    convert = parse.Choices(Precision).convert
    assert convert("int8,FP32,INT8", None, None) == (Precision.INT8, Precision.FP32)
    assert parse.Choices(Backend).convert("openvino", None, None) == (Backend.OPENVINO,)


def test_a_goal_names_percentile_and_time() -> None:
    goal = parse.Latency().convert("p99=20ms", None, None)
    assert (goal.percentile, goal.seconds) == (99.0, pytest.approx(0.02))


@pytest.mark.parametrize("text", ["99=20ms", "p99", "p100=20ms", "p99=20"])
def test_a_bad_goal_is_a_usage_error(text: str) -> None:
    with pytest.raises(Exception, match="found"):
        parse.Latency().convert(text, None, None)


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
