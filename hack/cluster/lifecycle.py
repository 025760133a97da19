"""`up`, `down`, `status`, `exec`: what happens outside the cluster's namespaces."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import cgroups
import hostprocesses
from commands import output_of
from golang import binaries
from layout import SOURCE, Cache, ClusterError, State
from linuxapi import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, enter_network_of, unshare
from nodes import plan_nodes
from ports import LOOPBACK, listen_from
from probes import Api, answers
from spec import HOST_PORTS, SERVICES, Spec

STOP_SECONDS = 15.0
DELETERS = 8


def up(name: str, node_count: int) -> None:
    """Start the cluster, or say that it runs already; what a crash left behind is removed first.

    Raises: ClusterError if a component does not come up; its logs stay until the next `up` or `down`.
    """
    state = State.of(name)
    require_root()
    with only_one(name):
        if is_ready(state):
            running = Spec.load(state)
            if len(running.nodes) == node_count:
                print(f"cluster {name!r} is already up with {node_count} nodes")
                return
            print(f"cluster {name!r} has {len(running.nodes)} nodes, {node_count} are wanted: starting anew")
        remove(state)
        began = time.monotonic()
        try:
            start(state, node_count)
        except KeyboardInterrupt:
            remove(state)
            raise
        print(f"cluster {name!r} is up in {time.monotonic() - began:.1f} s")
    print(f"  export KUBECONFIG={state.kubeconfig}")


def down(name: str) -> None:
    """Stop the cluster and remove all that it owns; a cluster that does not exist is fine."""
    state = State.of(name)
    require_root()
    with only_one(name):
        existed = state.root.exists()
        began = time.monotonic()
        remove(state)
    took = f" in {time.monotonic() - began:.1f} s" if existed else ""
    print(f"cluster {name!r} is down{took}")


def start(state: State, node_count: int) -> None:
    """Choose ports, write the facts, start process 1 and show its steps until it is ready."""
    state.root.mkdir(parents=True, mode=0o755)
    state.logs.mkdir()
    cache = Cache.default()
    storage = cache.registry(state.name)
    storage.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        sockets = [held.enter_context(listen_from(HOST_PORTS[service])) for service in SERVICES]
        ports = {name: each.getsockname()[1] for name, each in zip(SERVICES, sockets, strict=True)}
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
        plan = plan_nodes(node_count, len(os.sched_getaffinity(0)), memory)
        Spec(state.name, plan, ports, str(binaries(cache).root), str(storage)).save(state)
        events = launch(state, sockets)
    show(events)
    phase = processes(state)
    if phase.get("phase") != "ready":
        log = state.logs / "supervisor.log"
        raise ClusterError(str(phase.get("error") or f"the supervisor ended: see {log}"))


def launch(state: State, sockets: Sequence[socket.socket]) -> int:
    """Fork process 1 into new namespaces; returns the reading end of its pipe.

    Two forks: a process stays in its PID namespace, so the first child asks for a new one and
    the second is born in it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        _, status = os.waitpid(child, 0)
        if status:
            raise ClusterError(f"cannot make namespaces: see {state.logs / 'supervisor.log'}")
        return reading
    try:
        os.setsid()
        log = os.open(state.logs / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID)
        if os.fork() == 0:
            become_supervisor(state, writing, sockets)
        os._exit(0)
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(1)  # a forked child never returns into its parent's code


def become_supervisor(state: State, events: int, sockets: Sequence[socket.socket]) -> NoReturn:
    """Replace this process; a fresh interpreter holds none of our memory and shows what it is in `ps`."""
    descriptors = [events, *(each.fileno() for each in sockets)]
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        with suppress(OSError):  # a caller may wait for the end of a pipe that it gave us: keep only ours
            os.set_inheritable(descriptor, descriptor <= 2 or descriptor in descriptors)
    numbers = [str(descriptor) for descriptor in descriptors]
    os.chdir("/")
    os.execv(sys.executable, [*hostprocesses.supervisor_command(state), state.name, *numbers])


def show(events: int) -> None:
    """Copy the supervisor's lines to our output until it closes the pipe."""
    with os.fdopen(events, "r") as lines:
        for line in lines:
            print(line, end="", flush=True)


def remove(state: State) -> None:
    """End every process of the cluster and delete its cgroups and its state folder."""
    supervisor = hostprocesses.find_supervisor(state)
    if supervisor is not None:
        strays = hostprocesses.sharing_network(supervisor)
        os.kill(supervisor, signal.SIGKILL)
        hostprocesses.wait_gone(supervisor, STOP_SECONDS)
        hostprocesses.end(strays)
    cgroups.remove(state.name)
    if state.root.exists():
        refuse_mounts(state.root)
        delete(state.root)


def delete(folder: Path) -> None:
    """Delete a state folder, the unpacked images first and several at once.

    They are tens of thousands of files, and removing a file mostly waits for the disk.
    """
    bulky = folder.glob("nodes/*/containerd/*/snapshots/*")
    with ThreadPoolExecutor(DELETERS) as pool:
        list(pool.map(remove_tree, bulky))
    remove_tree(folder)


def remove_tree(folder: Path) -> None:
    output_of(["rm", "-rf", "--one-file-system", str(folder)])


def refuse_mounts(folder: Path) -> None:
    """Never delete through a mount: what lies behind it may be the user's."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        target = line.split(" ")[4]
        if Path(target).is_relative_to(folder):
            raise ClusterError(f"{target} is mounted inside {folder}: unmount it, then try again")


def processes(state: State) -> dict[str, Any]:
    """The supervisor's own account, or nothing."""
    try:
        content: dict[str, Any] = json.loads(state.processes.read_text())
    except FileNotFoundError:
        return {}
    return content


def is_ready(state: State) -> bool:
    """Whether the cluster runs and answers from the machine's side, with every node Ready."""
    if hostprocesses.find_supervisor(state) is None or processes(state).get("phase") != "ready":
        return False
    spec = Spec.load(state)
    ports = spec.host_ports
    return (
        Api(state.pki, LOOPBACK, ports["api"]).ready_nodes() == {node.name for node in spec.nodes}
        and answers(LOOPBACK, ports["registry"], "/v2/")
        and answers(LOOPBACK, ports["prometheus"], "/-/ready")
    )


def status(name: str) -> dict[str, Any]:
    """What is known about a cluster; `ready` is measured, not remembered."""
    state = State.of(name)
    require_root()
    supervisor = hostprocesses.find_supervisor(state)
    if not state.facts.exists():
        return {"name": name, "ready": False, "pids": {}}
    facts = Spec.load(state).public(state)
    inner = processes(state).get("components", {}) if supervisor else {}
    pids = hostprocesses.outer_pids(supervisor, inner) if supervisor else {}
    return {**facts, "ready": is_ready(state), "pids": pids}


def shell_variables(name: str) -> dict[str, str]:
    """The environment in which kubectl, helm and the demo find the cluster from the machine's side."""
    facts = running_facts(name)
    return variables(facts, facts["kubeconfig"], facts["addresses"]["host"])


def execute(name: str, command: Sequence[str]) -> NoReturn:
    """Replace this process by `command` in the cluster's network; files and processes stay the machine's."""
    require_root()
    facts = running_facts(name)
    supervisor = hostprocesses.find_supervisor(State.of(name))
    if supervisor is None:
        raise ClusterError(f"cluster {name!r} is not running")
    enter_network_of(supervisor)
    os.environ.update(variables(facts, facts["kubeconfigInside"], facts["addresses"]["inside"]))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        os.environ.pop(variable, None)  # a proxy of the machine's cannot be reached from there
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        raise ClusterError(f"{command[0]}: {error.strerror}") from error


def variables(facts: dict[str, Any], kubeconfig: str, addresses: dict[str, str]) -> dict[str, str]:
    return {
        "KUBECONFIG": kubeconfig,
        "PATH": f"{facts['bin']}:{os.environ.get('PATH', os.defpath)}",
        "BURNISH_CLUSTER": facts["name"],
        "BURNISH_REGISTRY": addresses["registry"],
        "BURNISH_PROMETHEUS": f"http://{addresses['prometheus']}",
    }


def running_facts(name: str) -> dict[str, Any]:
    state = State.of(name)
    if hostprocesses.find_supervisor(state) is None:
        raise ClusterError(
            f"cluster {name!r} is not running: start it with `python3 {SOURCE} up --name {name}`"
        )
    return Spec.load(state).public(state)


def require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError("namespaces and cgroups need root: run this as root")


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the lock of one cluster name, so that two `up`s do not start it twice."""
    locks = Cache.default().locks
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
