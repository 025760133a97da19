"""An embedded Kubernetes from packages alone: `python3 hack/cluster <command>`."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import baseimage
import discovery
import forwarder
import hostprocesses
import imagebuilder
import installation
import kwok
import lifecycle
import light
import supervisor
from commands import tail
from layout import Cache, ClusterError, State

DEFAULT_NAME = "demo"


def parser() -> argparse.ArgumentParser:
    """All commands; the ones with an underscore are for the cluster's own processes."""
    top = argparse.ArgumentParser(prog="hack/cluster", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, *, named: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary)
        if named:
            made.add_argument("--name", default=DEFAULT_NAME, help=f"the cluster ({DEFAULT_NAME})")
        return made

    install = command("install", "install and build everything that is missing", named=False)
    install.add_argument("--kwok", action="store_true", help="only kwok, for the scale bench")
    command("up", "start a cluster").add_argument("--nodes", type=int, default=2, help="1 to 5 (2)")
    command("down", "stop a cluster and remove all that it owns")
    command("status", "show a cluster").add_argument("--json", action="store_true")
    command("exec", "run a command in the cluster's network").add_argument("argv", nargs="+")
    command("env", 'print shell exports: eval "$(python3 hack/cluster env)"')
    command("logs", "list components, or show the log of one").add_argument("component", nargs="?")
    plane = command("control-plane", "run a control plane without nodes until Ctrl-C", named=False)
    plane.add_argument("folder", type=Path, help="a new folder for its state")
    plane.add_argument("--controller-manager", action="store_true")
    base = command("base-image", "build the base image and push it; prints its reference", named=False)
    base.add_argument("--registry", required=True, metavar="HOST:PORT")
    command("buildah", "run buildah with this project's storage", named=False).add_argument("argv", nargs="+")
    command("clean", "delete the cache: binaries, images, registry storage", named=False)
    return top


def print_status(facts: dict[str, object]) -> None:
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{key}:")
            for name, detail in value.items():
                print(f"  {name}: {detail}")
        else:
            print(f"{key}: {value}")


def show_logs(name: str, component: str | None) -> None:
    folder = State.of(name).logs
    known = sorted(log.stem for log in folder.glob("*.log"))
    if component is None:
        print("\n".join(known) or f"cluster {name!r} has no logs")
    elif component not in known:
        raise ClusterError(f"no log of {component!r}; there are: {', '.join(known) or 'none'}")
    else:
        print(tail(folder / f"{component}.log", lines=1000))


def clean() -> None:
    """Delete the cache folder, but not from under a running cluster."""
    cache = Cache.default()
    if running := hostprocesses.running_clusters():
        raise ClusterError(f"clusters still run from the cache: {', '.join(running)}; take them down first")
    if cache.root.exists():
        shutil.rmtree(cache.root)
    print(f"{cache.root} is removed")


def dispatch(options: argparse.Namespace) -> None:
    """One branch a command."""
    match options.command:
        case "install":
            kwok.install() if options.kwok else installation.install()
        case "up":
            lifecycle.up(options.name, options.nodes)
        case "down":
            lifecycle.down(options.name)
        case "status":
            facts = lifecycle.status(options.name)
            print(json.dumps(facts, indent=1)) if options.json else print_status(facts)
        case "exec":
            lifecycle.execute(options.name, options.argv)
        case "env":
            for key, value in lifecycle.shell_variables(options.name).items():
                print(f"export {key}={shlex.quote(value)}")
        case "logs":
            show_logs(options.name, options.component)
        case "control-plane":
            light.run(options.folder, controller_manager=options.controller_manager)
        case "base-image":
            print(baseimage.publish(Cache.default(), options.registry))
        case "buildah":
            imagebuilder.execute(Cache.default(), options.argv)
        case "clean":
            clean()


def internal(arguments: Sequence[str]) -> bool:
    """Commands of the cluster's own processes, kept out of the help."""
    match arguments:
        case ["_supervise", _, name, events, *sockets]:
            supervisor.main(State.of(name), int(events), [int(each) for each in sockets])
        case ["_forward", *routes]:
            forwarder.main(routes)
        case ["_discover", server, pki, targets]:
            discovery.main(server, Path(pki), Path(targets))
        case _:
            return False
    return True


def main(arguments: Sequence[str]) -> int:
    if internal(arguments):
        return 0
    try:
        dispatch(parser().parse_args(arguments))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
