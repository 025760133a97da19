"""Run buildah with storage of this project's own, in a mount namespace of its own.

Its layers lie in the cache, so that a second build is quick; its mounts end with it, even if
it is killed. Steps of a build run as chroots: that works in containers and small machines too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from layout import Cache, ClusterError
from nodes import REGISTRY
from spec import HOST_PORTS

NEIGHBOUR_PORTS = 10  # as many ports above the default one may be a cluster's registry

TRUST = Path("/etc/ssl/certs/ca-certificates.crt")
PROBE = 'cd "$0" && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w o m'


def registries_config() -> str:
    """Which registries speak plain HTTP: those of our clusters, by either address."""
    first = HOST_PORTS["registry"]
    ours = [REGISTRY, *(f"127.0.0.1:{port}" for port in range(first, first + NEIGHBOUR_PORTS))]
    return "".join(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n' for address in ours)


def storage_config(folder: Path, driver: str) -> str:
    return f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder}/layers"\nrunroot = "{folder}/run"\n'


def network_config(folder: Path) -> str:
    """Steps use the machine's network as it is; buildah wants a folder for networks all the same."""
    return f'[network]\nnetwork_config_dir = "{folder}/networks"\n'


def storage_driver(folder: Path) -> str:
    """`overlay` where the disk supports it; `vfs` copies every layer in full, but works anywhere."""
    for driver in ("overlay", "vfs"):
        if (folder / "layers" / driver).exists():  # stay with what earlier layers were made by
            return driver
    probe = folder / "probe"
    shutil.rmtree(probe, ignore_errors=True)
    probe.mkdir(parents=True)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", PROBE, str(probe)], capture_output=True, check=False
    )
    shutil.rmtree(probe, ignore_errors=True)
    return "vfs" if done.returncode else "overlay"


def environment(cache: Cache) -> dict[str, str]:
    """Write the configuration and return the variables by which buildah finds it."""
    folder = cache.buildah
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "CONTAINERS_STORAGE_CONF": ("storage.conf", storage_config(folder, storage_driver(folder))),
        "CONTAINERS_REGISTRIES_CONF": ("registries.conf", registries_config()),
        "CONTAINERS_CONF": ("containers.conf", network_config(folder)),
    }
    for name, content in contents.values():
        write_if_changed(folder / name, content)
    files = {variable: str(folder / name) for variable, (name, _) in contents.items()}
    return {**files, "BUILDAH_ISOLATION": "chroot"}


def write_if_changed(path: Path, content: str) -> None:
    """Leave a file alone that another buildah may be reading."""
    if not path.exists() or path.read_text() != content:
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(content)
        partial.replace(path)


def with_trust(arguments: Sequence[str], bundle: Path = TRUST) -> list[str]:
    """Let the steps of a build trust whom the machine trusts, e.g. a proxy with its own authority.

    The bundle is only mounted while a step runs: the image keeps its own.
    """
    first, *rest = arguments
    if first not in {"bud", "build", "build-using-dockerfile", "run"} or not bundle.exists():
        return [first, *rest]
    return [first, f"--volume={bundle}:{TRUST}:ro", *rest]


def execute(cache: Cache, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by buildah."""
    if shutil.which("buildah") is None:
        raise ClusterError("buildah is not installed: run `python3 hack/cluster install` first")
    os.environ.update(environment(cache))
    os.execvp("unshare", ["unshare", "--mount", "buildah", *with_trust(arguments)])
