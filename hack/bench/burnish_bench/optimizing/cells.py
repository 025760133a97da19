"""One cell of the table: one tool's result for one model, built in its own process, kept for the next run."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from burnish_bench.optimizing import peers
from burnish_bench.optimizing.datasets import Data
from burnish_bench.optimizing.tools import Tool
from burnish_bench.places import PINS, ROOT, peers_folder
from burnish_bench.pool import PATHS
from burnish_bench.tasks.base import Task
from burnish_engine.request import Metric

BUILT, LOG = "built.json", "build.log"
OWN_SOURCES = ("engine", "runtime", "optimizer", "cli")
# NNCF reports to its makers unless it is told that it runs in their CI.
SILENT = {"NNCF_CI": "1", "ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Built:
    """What a tool made.

    model: the file to load, or the engine's folder (`engine`).   failed: why there is none.
    seconds: of the build on the wall.   key: what it was made of; another key, another build.
    note: what the tool says of its choice.
    """

    tool: str
    key: str
    seconds: float = 0.0
    model: str = ""
    engine: bool = False
    backend: str = "onnxruntime"
    properties: dict[str, str] = field(default_factory=dict)
    failed: str = ""
    note: str = ""


def build(task: Task, data: Data, tool: Tool, folder: Path, *, threads: int, limit_seconds: float) -> Built:
    """The tool's result, from the last run where nothing that it is made of changed."""
    key = key_of(task, data, tool, threads)
    if (kept := read(folder)) and kept.key == key:
        return kept
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begin = time.perf_counter()
    facts = (
        _ours(task, data, tool, folder, threads=threads, limit_seconds=limit_seconds)
        if tool.is_ours
        else _peer(task, data, tool, folder, limit_seconds)
    )
    made = Built(tool.name, key, round(time.perf_counter() - begin, 2), **facts)
    (folder / BUILT).write_text(json.dumps(asdict(made), indent=1), encoding="utf-8")
    return made


def read(folder: Path) -> Built | None:
    """The cell of an earlier run, None where there is none that can be read."""
    try:
        return Built(**json.loads((folder / BUILT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def key_of(task: Task, data: Data, tool: Tool, threads: int) -> str:
    """Of the model, the data, and what builds: our sources, or the peers' pins and how they are called."""
    parts = [data.version, repr(tool), str(task.transformer)]
    if tool.is_ours:
        parts += [str(threads), metric_of(task, tool), *(_hash(ROOT / source) for source in OWN_SOURCES)]
    else:
        parts += [PINS.read_text(encoding="utf-8"), *map(inspect.getsource, _called(tool))]
    return sha256("\n".join(parts).encode()).hexdigest()


def metric_of(task: Task, tool: Tool) -> str:
    """What ours is asked to keep."""
    return task.gate if tool.cosine is None else Metric.COSINE.value


def _called(tool: Tool) -> list[Callable[..., object]]:
    """How a peer is called."""
    builder = peers.BUILDERS.get(tool.builder)
    return [builder, peers.prepared] if builder else []


def _hash(folder: Path) -> str:
    files = sorted(folder.rglob("*.py"))
    return sha256(b"\n".join(path.read_bytes() for path in files)).hexdigest()


def _peer(task: Task, data: Data, tool: Tool, folder: Path, limit_seconds: float) -> dict[str, Any]:
    runs = {"backend": tool.backend, "properties": tool.properties}
    if tool.of:
        base = read(folder.with_name(tool.of))
        if base is None or base.failed:
            return {"failed": base.failed if base else f"{tool.of} was not built"}
        return {**runs, "model": base.model}
    if not tool.builder:
        return {**runs, "model": str(data.model)}
    script = Path(__file__).with_name("peers.py")
    command = [peers_folder() / "bin/python", script, tool.builder, data.model, data.calibration, folder]
    failed = run([*command, *(["--transformer"] if task.transformer else [])], folder / LOG, limit_seconds)
    files = [folder / name for name in ("model.onnx", "model.xml") if (folder / name).is_file()]
    if failed or not files:
        return {"failed": failed or "it left no model"}
    return {**runs, "model": str(files[0])}


def _ours(
    task: Task, data: Data, tool: Tool, folder: Path, *, threads: int, limit_seconds: float
) -> dict[str, Any]:
    engine = folder / "engine"
    gate = ["--max-drop", str(tool.drop)] if tool.cosine is None else ["--minimum", str(tool.cosine)]
    command = [
        *(sys.executable, "-c", "import sys; from burnish_cli.main import main; sys.exit(main())"),
        *("optimize", data.model, "--calibration", data.calibration, "--evaluation", data.evaluation),
        *("--metric", metric_of(task, tool), *gate, "--threads", threads, "--name", task.name),
        *("--output", "json", "-o", engine),
    ]
    failed = run(command, folder / LOG, limit_seconds)
    if failed or not (engine / "engine.json").is_file():
        return {"failed": failed or "it left no engine"}
    report = json.loads((engine / "report.json").read_text(encoding="utf-8"))
    return {"model": str(engine), "engine": True, "note": str(report["selected"]["recipe"])}


def run(command: Sequence[object], log: Path, limit_seconds: float) -> str:
    """Run to the end in the log's folder (some tools leave files where they are); children end with it.

    Returns why it failed ("": it did not).
    """
    paths = os.pathsep.join(str(ROOT / each) for each in PATHS)
    environment = {**os.environ, **SILENT, "PYTHONPATH": paths}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=file,
            stderr=file,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
        )
        try:
            code = process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            return f"no result in {limit_seconds:.0f} s"
        finally:
            with suppress(ProcessLookupError):  # it ended, and all that it started
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code == 0:
        return ""
    died = signal.Signals(-code).name if code < 0 else f"exit {code}"
    return f"{died}: {_last_words(log)}"


def _last_words(log: Path) -> str:
    """The last line, or all from the last one that begins an error of ours."""
    lines = log.read_bytes()[-4000:].decode(errors="replace").strip().splitlines()
    begin = max((n for n, line in enumerate(lines) if line.startswith("error:")), default=len(lines) - 1)
    return " ".join(" ".join(lines[max(0, begin) :]).split())[:300]
