"""The image that all of the project's images start from: Debian 12 with its Python 3.11.

Made from Debian packages by mmdebstrap, which reads no registry, takes security updates in,
and packs a tarball without a root folder in between. The mirror is the one that apt uses on
this machine, whatever it is.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from commands import output_of, run_logged
from imagepush import Layer, architecture, push
from layout import Cache, ClusterError
from progress import Step

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
UNWANTED = ("doc", "info", "locale", "man", "lintian", "bug", "bash-completion", "zoneinfo/right")
REPOSITORY = "burnish/base"
SETTINGS = {"Cmd": ["/usr/bin/python3"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]}
SOURCE_FORMAT = "$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(CREATED_BY)"
# Settings of apt that a mirror may need to be reached. They are used here and kept out of the image.
ACCESS_SETTINGS = re.compile(r"^Acquire::(http|https|ftp|Check-|Retries)", re.IGNORECASE)
TIDY = 'rm -rf "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/cache/* "$1"/var/log/*'


def recipe() -> str:
    """A digest of everything that decides what the image holds, but for the mirror's state."""
    facts = [SUITE, architecture(), *PACKAGES, *UNWANTED, TIDY]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def tarball(cache: Cache) -> Path:
    return cache.root / "base" / f"{recipe()}.tar.gz"


def mirror_lines(index_targets: str) -> list[str]:
    """`deb` lines for our suite, its updates and its security updates.

    >>> mirror_lines("Debian|http://mirror/debian/|bookworm|main|Packages\\nOther|http://x/|bookworm|main|Packages")
    ['deb http://mirror/debian/ bookworm main']
    """
    found: dict[str, None] = {}
    for line in index_targets.splitlines():
        origin, uri, codename, component, kind = line.split("|")
        if kind == "Packages" and origin == "Debian" and component == "main" and codename.startswith(SUITE):
            found[f"deb {uri} {codename} main"] = None
    return list(found)


def build(cache: Cache, log: Path, step: Step) -> None:
    """Make the tarball and note its digests, once for each recipe."""
    target = tarball(cache)
    if notes(target).exists():
        step.cached = True
        return
    sources = mirror_lines(output_of(["apt-get", "indextargets", "--format", SOURCE_FORMAT]))
    if not sources:
        raise ClusterError(f"apt knows no Debian {SUITE} mirror on this machine: the base image needs one")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        plain, packed = Path(work) / "root.tar", Path(work) / "root.tar.gz"
        bootstrap(Path(work), plain, sources, log)
        compress(plain, packed)
        packed.replace(target)
    description = {**asdict(Layer.of(target)), "path": str(target)}
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(description, indent=1) + "\n")
    partial.replace(notes(target))  # last: its presence says that all is there


def compress(plain: Path, packed: Path) -> None:
    """gzip without a date or a name: equal content gets an equal digest on every machine."""
    with (
        plain.open("rb") as content,
        packed.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0) as archive,
    ):
        shutil.copyfileobj(content, archive, 1 << 20)


def bootstrap(work: Path, target: Path, sources: list[str], log: Path) -> None:
    settings = work / "apt.conf"
    dumped = output_of(["apt-config", "dump"]).splitlines()
    settings.write_text("".join(f"{line}\n" for line in dumped if ACCESS_SETTINGS.match(line)))
    leave_out = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in UNWANTED]
    run_logged(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            f"--aptopt={settings}",
            *leave_out,
            f"--customize-hook={TIDY}",
            SUITE,
            str(target),
            *sources,
        ],
        log,
        env={"TMPDIR": str(work), "SOURCE_DATE_EPOCH": "0"},
    )


def notes(target: Path) -> Path:
    return target.with_name(target.name.replace(".tar.gz", ".json"))


def publish(cache: Cache, registry: str) -> str:
    """Push the base image, unless the registry has it; returns its reference.

    Raises: ClusterError if `install` has not made it yet.
    """
    target = tarball(cache)
    if not notes(target).exists():
        raise ClusterError("the base image is not built yet: run `python3 hack/cluster install` first")
    fields = json.loads(notes(target).read_text())
    layer = Layer(**{**fields, "path": target})
    tag = layer.digest.removeprefix("sha256:")[:16]
    return push(registry, REPOSITORY, tag, layer, SETTINGS)
