"""Make the supervisor's mount namespace safe: what the cluster writes stays in the cluster.

Some paths are fixed in the kubelet's, CNI's and containerd's code. They get a copy-on-write
layer in memory here, so that neither files nor empty folders remain on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from linuxapi import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC, MS_SHARED, mount, unmount

COPY_ON_WRITE = (Path("/var/lib"), Path("/var/log"))
# The kubelet sets these for the whole machine if they differ from what it wants. It is shown
# what it wants instead, and the machine stays as it is.
PRETENDED_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def isolate_mounts(keep: Sequence[Path]) -> None:
    """Set up the mounts of a fresh mount and PID namespace; `keep` stays as it is on the machine."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)  # first, or the machine would see what follows
    mount("none", "/", flags=MS_REC | MS_SHARED)  # volumes must propagate from the kubelet to containers
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    held = [(path, os.open(path, os.O_PATH)) for path in keep]
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for folder in COPY_ON_WRITE:
        stack(folder, Path("/run/layers") / folder.name)
    for path, descriptor in held:
        mount(f"/proc/self/fd/{descriptor}", path, flags=MS_BIND | MS_REC)
        os.close(descriptor)
    pretend_settings(Path("/run/settings"))


def stack(folder: Path, layer: Path) -> None:
    """Mount a writable layer over `folder`, kept in `layer`."""
    upper, work = layer / "upper", layer / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    mount("overlay", folder, "overlay", options=f"lowerdir={folder},upperdir={upper},workdir={work}")


def overlay_works(folder: Path) -> bool:
    """Whether images can be stacked below `folder`; in a container its disk is an overlay itself."""
    layer = folder / "probe"
    target = layer / "target"
    target.mkdir(parents=True)
    try:
        stack(target, layer)
    except OSError:
        return False
    unmount(target)
    return True


def pretend_settings(folder: Path) -> None:
    folder.mkdir()
    for name, value in PRETENDED_SETTINGS.items():
        setting = Path("/proc/sys") / name
        if setting.exists():
            shown = folder / name.replace("/", ".")
            shown.write_text(f"{value}\n")
            mount(shown, setting, flags=MS_BIND)
