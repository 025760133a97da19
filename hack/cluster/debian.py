"""What comes from Debian: one `apt-get install`, and nothing left running because of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from commands import run_logged
from layout import ClusterError
from progress import Step

PACKAGES = (
    "buildah",
    "ca-certificates",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "iproute2",
    "iptables",
    "mmdebstrap",
    "nftables",
    "openssl",
    "prometheus",
    "python3-venv",
    "runc",
)
# Units that these packages enable at their first installation.
UNITS = {"containerd": "containerd", "docker-registry": "docker-registry", "prometheus": "prometheus"}
POLICY = Path("/usr/sbin/policy-rc.d")
OUR_POLICY = "#!/bin/sh\n# Written by burnish hack/cluster for one installation; safe to delete.\nexit 101\n"
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
LOCK = "DPkg::Lock::Timeout=300"  # another apt-get may be at work


def missing() -> list[str]:
    """Which packages are not installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *PACKAGES]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


def install(log: Path, step: Step) -> None:
    """Install what is missing; services that come with it neither start now nor at the next boot."""
    absent = missing()
    if not absent:
        step.cached = True
        return
    if os.geteuid() != 0:
        raise ClusterError(f"Debian packages are missing; as root: apt-get install {' '.join(absent)}")
    with services_stay_down():
        run_logged(["apt-get", "update", "-o", LOCK], log, env=QUIET)
        options = ["--yes", "--no-install-recommends", "-o", LOCK]
        run_logged(["apt-get", "install", *options, *absent], log, env=QUIET)
    disable([UNITS[package] for package in absent if package in UNITS], log)


@contextmanager
def services_stay_down() -> Iterator[None]:
    """Forbid package scripts to start services, by Debian's own means, unless the machine does already."""
    ours = not POLICY.exists() or POLICY.read_text() == OUR_POLICY
    if ours:
        POLICY.write_text(OUR_POLICY)
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def disable(units: Sequence[str], log: Path) -> None:
    """Undo that package scripts enable their services at boot; works without a running systemd."""
    if units and shutil.which("systemctl"):
        run_logged(["systemctl", "disable", "--quiet", *units], log)
