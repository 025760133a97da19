"""The operator in a simulated cluster: random schedules break nothing, and bugs planted on purpose are found.

`make simulate SCHEDULES=100000` runs many more; docs/simulation.md tells how to read a failure.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.simulation.calls import Fault
from support.simulation.mutations import MUTATIONS
from support.simulation.schedule import Step, draw
from support.simulation.shrink import shrunk, told
from support.simulation.simulate import Simulation, in_memory, run

SCHEDULES = 200
PORTION = 20
WITHIN = 600
# These break within the first schedules; all others are for `make test-long`.
QUICK = (
    "any_node_will_do",
    "as_many_jobs_as_there_are_engines",
    "every_turn_is_a_transition",
    "published_before_it_is_pushed",
    "ready_with_the_engines",
)
LONG = os.environ.get("BURNISH_LONG") == "1"


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, SCHEDULES, PORTION))
def test_no_schedule_breaks_anything(first: int) -> None:
    for seed in range(first, first + PORTION):
        failure = run(draw(seed))
        assert failure is None, told(seed, shrunk(draw(seed)))


# Too rare for a bounded number of random schedules: it breaks here.
_REBUILT = [
    Step("flow", 0, 2),
    Step("flow", 0, 2),
    Step("edit", 0, 4),
    Step("flow", 1, 0),
    *[Step("job", 0, 1)] * 3,
    *[Step("deliver", 0, 3)] * 2,
    *[Step("work")] * 4,
]
RARE = {
    "ready_while_old_pods_serve": [
        *_REBUILT,
        Step("control"),
        Step("deliver", 1, 3),
        *[Step("deliver", kind, 3) for kind in (3, 4, 0)] * 2,
        *[Step("work")] * 3,
    ],
    "the_first_failure_ends_the_plan_in_silence": [
        Step("flow", 1, 2),
        Step("edit", 0, 4),
        Step("deliver", 4, 3),
        Step("work", faults=(Fault(4, "500"),)),
    ],
    "a_status_goes_to_whoever_has_the_name": [
        Step("deliver", 4, 3),
        Step("work", meanwhile=((1, Step("edit", 0, 1)),)),
    ],
    "a_wake_while_it_works_is_lost": [
        Step("deliver", 4, 3),
        Step("edit", 0, 14),
        Step("work", meanwhile=((2, Step("deliver", 4, 0)),)),
    ],
    "nobody_else_builds": [
        Step("deliver", 6, 2),
        Step("rollout", 0, 31),
        Step("work", 0, 1),
        Step("deliver", 4, 0),
        Step("deliver", 4, 2),
        *[Step("work")] * 2,
        Step("work", meanwhile=((1, Step("work", 1, 1)),)),
    ],
    "another_build_is_trusted_unseen": [
        Step("flow", 19684, 49895),
        Step("registry", 46806, 52534),
        Step("restart", 42337, 42337),
        Step("time", 19684, 49895),
        Step("flow", 42337, 52940),
        Step("time", 52534, 52940),
        Step("job", 19684, 19684),
    ],
}


@pytest.mark.parametrize("name", sorted(RARE))
def test_a_rare_bug_is_found_by_its_schedule(name: str) -> None:
    assert run(RARE[name]) is None
    with MUTATIONS[name].planted():
        assert run(RARE[name]) is not None


@pytest.mark.parametrize("name", sorted(set(MUTATIONS) - set(RARE)) if LONG else QUICK)
def test_a_bug_that_was_planted_is_found(name: str) -> None:
    with MUTATIONS[name].planted():
        found = any(run(draw(seed)) for seed in range(WITHIN))
    assert found, f"{name} was not found within {WITHIN} schedules"


def test_many_kinds_of_bugs_are_planted() -> None:
    assert len(MUTATIONS) >= 25
    assert set(QUICK) <= set(MUTATIONS)


def test_a_schedule_that_fails_is_made_small() -> None:
    with MUTATIONS["published_before_it_is_pushed"].planted():
        seed = next(seed for seed in range(WITHIN) if run(draw(seed)))
        small = shrunk(draw(seed))
        assert len(small) < len(draw(seed)) / 2
        assert "Published" in told(seed, small)


def test_the_same_seed_is_the_same_run_in_any_process() -> None:
    """Neither the order of sets nor memory addresses may count."""
    script = (
        "import logging, sys; logging.disable(50);"
        "from support.simulation.simulate import *; from support.simulation.schedule import draw;"
        "s = Simulation(); c = in_memory(s.world); c.__enter__(); [s.do(x) for x in draw(3)];"
        "print(chr(10).join(s.world.trace))"
    )
    traces = {_traced(script, hash_seed) for hash_seed in ("1", "2")}
    assert len(traces) == 1
    assert "OptimizedModel" in traces.pop()


def _traced(script: str, hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_a_quiet_world_gets_everything_served() -> None:
    simulation = Simulation()
    with in_memory(simulation.world):
        simulation.settle()
    assert sum(workload.ready for workload in simulation.world.workloads.values()) == 7


def test_a_death_at_any_call_of_the_first_turns_is_survived() -> None:
    for call in range(0, 20, 3):
        steps = [Step("flow"), Step("work", 0, 1, (Fault(call, "crash after"),)), Step("work")]
        failure = run(steps)
        assert failure is None, failure
