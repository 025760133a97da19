"""`burnish rewrite`: what goes where, what is refused, what is told. The rewriting itself is a stand-in."""

import json
from pathlib import Path
from typing import Any

import click
import onnx
import pytest
import yaml
from click.testing import CliRunner, Result

from burnish_cli.main import cli, run
from burnish_engine.errors import NotFound
from burnish_engine.report import RewriteReport
from burnish_optimizer import rewriting
from burnish_optimizer.errors import InvalidSource
from burnish_optimizer.passes.selection import select
from burnish_optimizer.rewriting import RewriteJob, RewriteResult
from burnish_optimizer.rewriting_files import NoPlace, OutputExists, Planned, new_file
from support import rewrites


class Rewriter:
    """Writes the fused net; remembers its jobs; refuses what is called `bad.onnx`."""

    def __init__(self) -> None:
        self.jobs: list[RewriteJob] = []
        self.data = b""

    def __call__(self, job: RewriteJob, progress: Any) -> RewriteResult:
        self.jobs.append(job)
        progress.update("rewrite", "a pass", 1, 2)
        if job.source.name == "bad.onnx":
            raise InvalidSource(str(job.source), found="bytes", expected="an ONNX model")
        if job.source.name == "defect.onnx":
            raise AssertionError("ours")
        onnx.save(rewrites.net(fused=True), job.output)
        if self.data:
            job.output.with_name(job.output.name + ".data").write_bytes(self.data)
        return RewriteResult(job.output, rewrites.report(job.source.name), changed=True)


@pytest.fixture
def rewriter(monkeypatch: pytest.MonkeyPatch) -> Rewriter:
    found = Rewriter()
    monkeypatch.setattr(rewriting, "rewrite_file", found)
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "net.onnx")


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(rewrites.net(fused=False), path)
    return path


def burnish(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["rewrite", *map(str, arguments)])


def test_a_model_goes_to_its_place_and_nothing_else_is_left(
    rewriter: Rewriter, model: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "new/out.onnx", tmp_path / "reports/out.html"
    result = burnish(model, "-o", out, "--report", page, "--threads", 2)
    assert result.exit_code == 0, result.output
    assert [n.op_type for n in onnx.load(out).graph.node][:2] == ["MatMul", "HardSwish"]
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == [
        "net.onnx",
        "new/out.onnx",
        "reports/out.html",
    ]
    assert (rewriter.jobs[0].target, rewriter.jobs[0].threads, rewriter.jobs[0].passes) == (
        "portable",
        2,
        None,
    )
    for word in ("400 nodes became 118", "fuse-hard-swish", f"model: {out}", f"report: {page}"):
        assert word in result.output


def test_programs_get_the_record(rewriter: Rewriter, model: Path, tmp_path: Path) -> None:
    result = burnish(model, "-o", tmp_path / "a.onnx", "--output", "json", "--report", tmp_path / "r.json")
    found = RewriteReport.model_validate(json.loads(result.stdout))
    assert found == RewriteReport.model_validate_json((tmp_path / "r.json").read_bytes())
    result = burnish(model, "-o", tmp_path / "b.onnx", "--output", "yaml")
    assert RewriteReport.model_validate(yaml.safe_load(result.stdout)) == found


def test_steps_are_told_off_a_terminal_too(rewriter: Rewriter, model: Path, tmp_path: Path) -> None:
    result = burnish(model, "-o", tmp_path / "a.onnx")
    line = json.loads(result.stderr.splitlines()[0])
    assert (line["stage"], line["done"], line["total"]) == ("rewrite", 1, 2)


@pytest.mark.parametrize("taken", ["out.onnx", "out.onnx.data", "r.html"])
def test_what_is_there_stays_unless_it_is_told_to_go(
    rewriter: Rewriter, model: Path, tmp_path: Path, taken: str
) -> None:
    (tmp_path / taken).write_bytes(b"precious")
    command = (model, "-o", tmp_path / "out.onnx", "--report", tmp_path / "r.html")
    refused = burnish(*command)
    assert isinstance(refused.exception, OutputExists)
    assert "--force" in str(refused.exception)
    assert (tmp_path / taken).read_bytes() == b"precious"
    assert rewriter.jobs == []
    rewriter.data = b"weights"
    assert burnish(*command, "--force").exit_code == 0
    assert (tmp_path / taken).read_bytes() != b"precious"


def test_the_source_is_never_replaced(rewriter: Rewriter, model: Path) -> None:
    before = model.read_bytes()
    refused = burnish(model, "-o", model.parent / "sub/../net.onnx", "--force")
    assert isinstance(refused.exception, OutputExists)
    assert "never modified" in str(refused.exception)
    assert model.read_bytes() == before


def test_the_sources_own_data_are_never_replaced(rewriter: Rewriter, tmp_path: Path) -> None:
    onnx.save_model(
        rewrites.net(fused=False),
        tmp_path / "net.onnx",
        save_as_external_data=True,
        location="out.onnx.data",
        size_threshold=16,
    )
    before = (tmp_path / "out.onnx.data").read_bytes()
    rewriter.data = b"other weights"
    refused = burnish(tmp_path / "net.onnx", "-o", tmp_path / "out.onnx", "--force")
    assert isinstance(refused.exception, OutputExists)
    assert (tmp_path / "out.onnx.data").read_bytes() == before
    assert not (tmp_path / "out.onnx").exists()


def test_external_data_lie_beside_the_model(rewriter: Rewriter, model: Path, tmp_path: Path) -> None:
    rewriter.data = b"weights"
    assert burnish(model, "-o", tmp_path / "out.onnx").exit_code == 0
    assert (tmp_path / "out.onnx.data").read_bytes() == b"weights"


def test_a_failure_leaves_nothing_behind(rewriter: Rewriter, tmp_path: Path) -> None:
    bad = save(tmp_path / "bad.onnx")
    assert isinstance(burnish(bad, "-o", tmp_path / "out.onnx").exception, InvalidSource)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.onnx"]


def test_in_a_folder_a_failure_is_told_and_the_rest_go_on(rewriter: Rewriter, tmp_path: Path) -> None:
    for name in ("a.onnx", "bad.onnx", "defect.onnx", "sub/z.onnx"):
        save(tmp_path / "in" / name)
    result = burnish(tmp_path / "in", "-o", tmp_path / "out", "--report", tmp_path / "reports")
    assert result.exit_code == 1
    assert {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.onnx")} == {
        "a.onnx",
        "sub/z.onnx",
    }
    assert (tmp_path / "reports/sub/z.onnx.html").is_file()
    assert (tmp_path / "reports/a.onnx.json").is_file()
    assert "bad.onnx" in result.stderr
    assert "defect of Burnish" in result.stderr
    assert "failed:" in result.stdout
    assert [job.source.name for job in rewriter.jobs] == ["a.onnx", "bad.onnx", "defect.onnx", "z.onnx"]


def test_a_folder_that_went_well_ends_with_0_and_tells_programs(rewriter: Rewriter, tmp_path: Path) -> None:
    save(tmp_path / "in/a.onnx")
    result = burnish(tmp_path / "in", "-o", tmp_path / "out", "--output", "json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (list(said["models"]), said["failed"]) == (["a.onnx"], {})
    again = burnish(tmp_path / "in", "-o", tmp_path / "out")
    assert isinstance(again.exception, OutputExists)
    assert burnish(tmp_path / "in", "-o", tmp_path / "out", "--force").exit_code == 0


def test_results_within_the_folder_of_sources_are_refused(rewriter: Rewriter, tmp_path: Path) -> None:
    save(tmp_path / "in/a.onnx")
    refused = burnish(tmp_path / "in", "-o", tmp_path / "in/out")
    assert isinstance(refused.exception, OutputExists)
    assert "folder of sources" in str(refused.exception)


def test_a_folder_without_models_and_a_path_to_nothing_are_refused(
    rewriter: Rewriter, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for path, found in (("empty", "no .onnx file"), ("nowhere", "nothing there")):
        refused = burnish(tmp_path / path, "-o", tmp_path / "out")
        assert isinstance(refused.exception, NotFound)
        assert found in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "x.onnx", "--target", "toaster"], "'portable', 'onnxruntime-cpu'"),
        (["-o", "x.onnx", "--report", "r.pdf"], "expected .html or .json"),
        (["-o", "x.onnx", "--threads", "0"], "--threads"),
        ([], "found no -o"),
    ],
)
def test_wrong_usage_lists_the_choices(
    rewriter: Rewriter, model: Path, arguments: list[str], said: str
) -> None:
    result = burnish(model, *arguments)
    assert (result.exit_code, rewriter.jobs) == (2, [])
    assert said in " ".join(result.stderr.split())


def test_no_model_at_all_is_a_usage_error(rewriter: Rewriter) -> None:
    result = burnish()
    assert (result.exit_code, "found no MODEL" in result.stderr) == (2, True)


NAMES = ("clean", "fold", "fuse")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("fuse,clean", ("clean", "fuse")),
        ("-fold", ("clean", "fuse")),
        ("fold,fuse,-fuse", ("fold",)),
        (" fold , ", ("fold",)),
    ],
)
def test_passes_are_chosen_by_name_and_run_in_their_order(text: str, chosen: tuple[str, ...]) -> None:
    assert select(text, NAMES) == chosen


@pytest.mark.parametrize("text", ["", "burn", "clean,burn", "-burn", "-clean,-fold,-fuse"])
def test_unknown_passes_and_none_at_all_list_the_choices(text: str) -> None:
    with pytest.raises(ValueError, match="expected some of clean, fold, fuse"):
        select(text, NAMES)


def with_data(path: Path) -> Path:
    """A model with weights in a file beside it."""
    save(path)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location=f"{path.stem}.weights", size_threshold=0
    )
    return path


@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize("part", ["net.onnx", "net.weights"])
def test_no_force_replaces_the_source_or_a_part_of_it(
    rewriter: Rewriter, tmp_path: Path, option: str, part: str
) -> None:
    source = with_data(tmp_path / "net.onnx").rename(tmp_path / "net.html")
    place = source if part == "net.onnx" else tmp_path / part
    if option == "--report" and part == "net.weights":
        place = (tmp_path / part).rename(tmp_path / "net.weights.html")
        (tmp_path / part).symlink_to(place)
    before = place.read_bytes()
    options = {"-o": str(tmp_path / "new.onnx"), option: str(place)}
    arguments = [word for pair in options.items() for word in pair]
    with pytest.raises(OutputExists, match="never modified"):
        CliRunner().invoke(cli, ["rewrite", str(source), *arguments, "--force"], catch_exceptions=False)
    assert (place.read_bytes(), rewriter.jobs) == (before, [])


def test_model_and_report_need_a_place_each(rewriter: Rewriter, model: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "new.json")
    with pytest.raises(OutputExists, match="one place for each"):
        CliRunner().invoke(
            cli, ["rewrite", str(model), "-o", place, "--report", place], catch_exceptions=False
        )
    assert rewriter.jobs == []


@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize("folder", ["/proc/nope", "net.onnx"])
def test_a_place_that_cannot_be_is_told_before_the_work(
    rewriter: Rewriter, model: Path, tmp_path: Path, option: str, folder: str
) -> None:
    options = {"-o": str(tmp_path / "new.onnx"), option: str(tmp_path / folder / "r.html")}
    arguments = [word for pair in options.items() for word in pair]
    with pytest.raises(NoPlace, match=r"r\.html"):
        CliRunner().invoke(cli, ["rewrite", str(model), *arguments], catch_exceptions=False)
    assert rewriter.jobs == []


@pytest.mark.parametrize(("asked", "code"), [(None, 0), (1, 1), (3, 3)])
def test_what_a_command_asks_to_exit_with_is_what_the_process_exits_with(
    asked: int | None, code: int
) -> None:
    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        if asked is not None:
            ctx.exit(asked)

    group = click.Group("g", commands={"c": command})
    for program, arguments in ((command, []), (group, ["c"])):
        with pytest.raises(SystemExit) as ended:
            run(program, "p", arguments)
        assert ended.value.code == code


def test_what_came_to_the_place_meanwhile_stays(rewriter: Rewriter, model: Path, tmp_path: Path) -> None:
    place = tmp_path / "new.onnx"

    def race() -> None:
        with new_file(Planned("net", model, place)) as part:
            part.write_bytes(b"ours")
            place.write_bytes(b"theirs")

    with pytest.raises(OutputExists, match="something there"):
        race()
    assert place.read_bytes() == b"theirs"
    with new_file(Planned("net", model, place), force=True) as part:
        part.write_bytes(b"ours")
    assert place.read_bytes() == b"ours"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.onnx", "new.onnx"]
