"""What an engine's record, the settings and the processors of the pod make of a schedule."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from burnish_engine.descriptor import REPORT_FILE, Batching, EngineDescriptor, RunOptions
from burnish_engine.request import Backend, LatencyGoal
from burnish_runtime import load
from burnish_runtime.openvino_backend import compile_properties, with_streams
from burnish_serving.scheduling.concurrency import Concurrency, concurrency
from burnish_serving.scheduling.opening import open_scheduled, recorded
from burnish_serving.scheduling.schedule import Recorded, concurrency_of, schedule
from burnish_serving.settings import ServeSettings
from support.engines import descriptor, report
from support.onnx_models import CPU_BACKENDS, write_adder

SETTINGS = ServeSettings("engine")
PROVED = Batching(max_rows=8, deviation=1e-6, seconds={1: 0.01, 2: 0.011, 4: 0.013, 8: 0.02})


@pytest.mark.parametrize(
    ("cpus", "measured", "threads", "instances", "expected"),
    [
        (8.0, None, None, None, (1, None)),  # measured with all processors: alone
        (8.0, 2, None, None, (4, 2)),
        (7.9, 2, None, None, (3, 2)),
        (0.5, 2, None, None, (1, 1)),  # never more threads than the quota
        (2.0, 8, None, None, (1, 2)),
        (8.0, None, 2, None, (4, 2)),
        (8.0, None, None, 4, (4, 2)),
        (8.0, 1, None, 4, (4, 1)),
        (2.0, 2, None, 4, (4, 1)),
        (2.0, 2, 3, 4, (4, 3)),  # as asked
    ],
)
def test_runs_at_once_and_threads_follow_the_quota(
    cpus: float,
    measured: int | None,
    threads: int | None,
    instances: int | None,
    expected: tuple[int, int | None],
) -> None:
    found = concurrency(cpus, measured_threads=measured, threads=threads, instances=instances)
    assert found == Concurrency(*expected)


def test_a_device_runs_one_batch_after_the_other() -> None:
    assert concurrency(16.0, measured_threads=1, on_cpu=False) == Concurrency(1, 1)
    assert concurrency(16.0, measured_threads=None, instances=2, on_cpu=False) == Concurrency(2, None)


@pytest.mark.parametrize("backend", list(Backend))
def test_every_backend_has_a_plan(backend: Backend) -> None:
    engine = described().model_copy(update={"backend": backend, "options": RunOptions(threads=1)})
    found = concurrency_of(engine, SETTINGS, 4.0)
    assert found.instances == (4 if backend in CPU_BACKENDS else 1)


def described(batching: Batching | None = PROVED) -> EngineDescriptor:
    return descriptor().model_copy(update={"batching": batching})


def test_batches_are_as_large_as_the_engine_proved() -> None:
    made = schedule(described(), SETTINGS, instances=2)
    assert (made.policy.max_rows, made.policy.sizes, made.policy.instances) == (8, (1, 2, 4, 8), 2)
    assert (made.profile.seconds, made.profile.elements) == (PROVED.seconds, 3)
    assert made.tolerance.relative == 1e-6
    assert made.audit_every == 1000


@pytest.mark.parametrize(("asked", "batching", "rows"), [(4, PROVED, 4), (64, PROVED, 8), (64, None, 1)])
def test_a_setting_makes_batches_smaller_never_larger(
    asked: int, batching: Batching | None, rows: int
) -> None:
    assert schedule(described(batching), ServeSettings("engine", max_batch=asked)).policy.max_rows == rows


def test_an_engine_without_a_record_starts_from_its_measured_latency() -> None:
    made = schedule(described(None), SETTINGS, recorded=Recorded(run_seconds=0.02))
    assert (made.policy.max_rows, made.profile.seconds, made.profile.elements) == (1, {1: 0.02}, 3)


@pytest.mark.parametrize(
    ("set_ms", "chosen_for", "goal"), [(None, None, None), (None, 0.02, 0.02), (50, 0.02, 0.05)]
)
def test_the_goal_is_what_was_set_or_what_the_engine_was_chosen_for(
    set_ms: float | None, chosen_for: float | None, goal: float | None
) -> None:
    settings = ServeSettings("engine", latency_goal_ms=set_ms)
    made = schedule(described(), settings, recorded=Recorded(goal_seconds=chosen_for))
    assert made.policy.goal_seconds == goal


def test_nothing_is_audited_where_that_is_switched_off() -> None:
    assert schedule(described(), ServeSettings("engine", batch_audit_share=0)).audit_every == 0


def test_a_report_tells_goal_and_latency_and_may_be_missing(tmp_path: Path) -> None:
    assert recorded(tmp_path) == Recorded()
    written = report()
    request = written.request.model_copy(update={"latency": LatencyGoal(percentile=99, seconds=0.03)})
    written = written.model_copy(update={"request": request})
    (tmp_path / REPORT_FILE).write_text(written.model_dump_json())
    assert recorded(tmp_path) == Recorded(goal_seconds=0.03, run_seconds=0.01)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_instances_of_a_real_engine_answer(tmp_path: Path, backend: Backend) -> None:
    folder = write_adder(tmp_path / "engine", backend)
    engine, made = open_scheduled(folder, ServeSettings(str(folder), instances=2))
    assert made.policy.instances == 2
    ones = np.ones((1, 3), np.float32)
    assert engine.session.run({"a": ones, "b": ones})["sum"].tolist() == [[2, 2, 2]]
    engine.session.close()


def test_openvino_gets_a_stream_an_instance_and_threads_for_all_of_them() -> None:
    properties = compile_properties(with_streams(RunOptions(threads=2), 3))
    assert (properties["NUM_STREAMS"], properties["INFERENCE_NUM_THREADS"]) == ("3", "6")
    own = RunOptions(threads=2, properties={"NUM_STREAMS": "1"})
    assert compile_properties(with_streams(own, 3))["NUM_STREAMS"] == "1"


@pytest.mark.parametrize(
    "wrong", [{"max_rows": 1}, {"deviation": -1.0}, {"deviation": float("inf")}, {"seconds": {}}]
)
def test_a_record_of_batches_that_says_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Batching.model_validate(PROVED.model_dump() | wrong)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    folder = write_adder(tmp_path / "engine")
    path = folder / "engine.json"
    written = EngineDescriptor.model_validate_json(path.read_bytes()).model_copy(update={"batching": PROVED})
    path.write_text(written.model_dump_json())
    assert load.open_engine(folder).descriptor.batching == PROVED
