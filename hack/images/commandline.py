"""Build the images `operator`, `optimizer` and `serving`, push them, print their references as JSON.

    hack/images/build --registry 127.0.0.1:5000/burnish --tag dev --push --plain-http

An image whose inputs (Dockerfile, constraints, code, base) were pushed before is not built again: its tag
`inputs-<hash>` in the registry is the memory, so a second run takes seconds, on any machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import builders
import inputs
import wheels
from registry import Registry

TARGETS = ("operator", "optimizer", "serving")
DEFAULT_BASE = "docker.io/library/python:3.11-slim-bookworm"


@dataclass(frozen=True)
class Image:
    """One pushed image."""

    target: str
    repository: str
    tag: str
    digest: str

    def to_dict(self) -> dict[str, str]:
        """As printed."""
        return {
            "image": f"{self.repository}:{self.tag}",
            "digest": self.digest,
            "reference": f"{self.repository}@{self.digest}"
            if self.digest
            else f"{self.repository}:{self.tag}",
        }


def parser() -> argparse.ArgumentParser:
    """The options."""
    top = argparse.ArgumentParser(
        prog="hack/images/build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument(
        "--registry", required=True, metavar="HOST/PATH", help="images become HOST/PATH/operator:TAG …"
    )
    top.add_argument("--tag", required=True, help="tag of all images, such as dev or 0.1.0")
    top.add_argument("--base", default=DEFAULT_BASE, metavar="REF", help=f"base image ({DEFAULT_BASE})")
    top.add_argument("--builder", choices=("buildah", "docker"), default="buildah")
    top.add_argument(
        "--push", action="store_true", help="push; without it, images stay in the builder's storage"
    )
    top.add_argument("--plain-http", action="store_true", help="the registry speaks no TLS")
    top.add_argument("--python", default="3.11", metavar="X.Y", help="Python of the base image (3.11)")
    top.add_argument(
        "--only", nargs="+", choices=TARGETS, default=TARGETS, metavar="TARGET", help="not all three"
    )
    return top


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


def build(options: argparse.Namespace) -> list[Image]:
    """Build and push what the registry does not have yet."""
    registry = Registry(options.registry, plain_http=options.plain_http)
    base = Registry.pinned(options.base, plain_http=options.plain_http)
    builder = builders.of(options.builder, plain_http=options.plain_http)
    images = []
    for target in options.only:
        began = time.monotonic()
        key = f"inputs-{inputs.digest_of(target, base)[:20]}"
        digest = registry.retag(target, key, options.tag) if options.push else None
        if digest is None:
            say(f"{target}: building")
            spec = builders.Build(target, options.base, registry.repository(target), (options.tag, key))
            digest = builder.build(spec, wheels.folder(options.python, say), push=options.push)
            say(f"{target}: built in {time.monotonic() - began:.1f} s")
        else:
            say(f"{target}: nothing changed ({key})")
        images.append(Image(target, registry.repository(target), options.tag, digest))
    return images


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        images = build(options)
    except (builders.BuildError, wheels.WheelError) as error:
        say(f"error: {error}")
        return 1
    print(json.dumps({image.target: image.to_dict() for image in images}, indent=2))
    return 0
