"""The operator is killed at 20 random moments: the end is the same, one Job a key, nothing twice."""

import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from burnish_demo.kube import Object
from burnish_demo.place import SYSTEM_NAMESPACE
from burnish_demo.watch import is_ready
from support.world import World

KILLS = 20
MODELS = 4
SEED = 20260504
# Long enough for a whole turn of the loop between two kills, short enough to hit the middle of one.
LONGEST_LIFE_SECONDS = 6.0
COLUMNS = "{.metadata.uid} {.metadata.annotations.burnish\\.dev/engine-key}{'\\n'}"


def operator_pods(world: World) -> list[Object]:
    """The operator's pods that are not on their way out."""
    pods = world.kube.list("pod", SYSTEM_NAMESPACE, {"app.kubernetes.io/component": "operator"})
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def process_of(pod: Object) -> int | None:
    """The operator's process as this machine numbers it: the one whose cgroup is the pod's."""
    uid = pod["metadata"]["uid"]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = uid in (folder / "cgroup").read_text()
            if ours and b"burnish_operator" in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue  # it ended while we looked
    return None


def kill(world: World) -> bool:
    """`kill -9`, then pod and Lease are deleted: its successor starts and leads at once.

    Else the kubelet would back off, and the dead one's lease outlast the life of the next.
    """
    killed = False
    for pod in operator_pods(world):
        process = process_of(pod)
        if process is not None:
            os.kill(process, signal.SIGKILL)
            killed = True
        name = pod["metadata"]["name"]
        world.kube.run(
            "delete", "pod", name, f"--namespace={SYSTEM_NAMESPACE}", "--force", "--grace-period=0"
        )
    world.kube.run("delete", "lease", f"--namespace={SYSTEM_NAMESPACE}", "--all")
    return killed


@contextmanager
def every_job(world: World) -> Iterator[Path]:
    """A file with the UID and key of every Job that ever was, written by a watch."""
    seen = world.scratch / "jobs.txt"
    command = ["get", "jobs", f"--namespace={world.namespace}", "--watch", "-o", f"jsonpath={COLUMNS}"]
    with (
        seen.open("wb") as sink,
        subprocess.Popen([*world.place.kubectl, *command], stdout=sink, stderr=sink) as watch,
    ):
        try:
            yield seen
        finally:
            watch.terminate()


def keys_of(seen: Path) -> dict[str, set[str]]:
    """Key to the UIDs of its Jobs."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in seen.read_text().splitlines():
        uid, key = line.split()
        found[key].add(uid)
    return found


def test_killed_at_twenty_random_moments_it_ends_in_the_same_state(world: World) -> None:
    moments = random.Random(SEED)
    names = [f"model-{index}" for index in range(MODELS)]
    specs = {name: world.quick_model(seed=100 + 10 * index) for index, name in enumerate(names)}
    with every_job(world) as seen:
        kills = 0
        ends = time.monotonic() + 400
        while kills < KILLS:
            assert time.monotonic() < ends, f"only {kills} kills in 400 s\n{world.story()}"
            if kills % (KILLS // MODELS) == 0:
                name = names[kills // (KILLS // MODELS)]
                world.apply(name, specs[name])
            world.wait("an operator", lambda: any(process_of(pod) for pod in operator_pods(world)), 60)
            time.sleep(moments.uniform(0.0, LONGEST_LIFE_SECONDS))
            kills += kill(world)
        for name in names:
            world.wait_ready(name, 300)
        jobs = keys_of(seen)
    assert len(jobs) == MODELS * 2, "a key for each model on each class"
    assert {key: len(uids) for key, uids in jobs.items() if len(uids) != 1} == {}
    for name in names:
        assert_settled(world, name)


def assert_settled(world: World, name: str) -> None:
    """What a run that nobody disturbed ends with."""
    model = world.model(name)
    assert is_ready(model)
    assert [target["state"] for target in model["status"]["targets"]] == ["Serving", "Serving"]
    for kind in ("deployment", "service", "job"):
        assert len(world.owned(kind, name)) == 2
    for deployment in world.owned("deployment", name):
        assert deployment["metadata"]["generation"] == 1, "rolled out once, never changed"
