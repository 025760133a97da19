"""Names and labels in the cluster, from docs/contracts.md: deterministic, so that nothing is made twice."""

import hashlib
import re

from burnish_engine.key import short_key

MANAGER = "burnish"
MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = {MANAGED_BY: MANAGER}
MODEL = "burnish.dev/model"
TARGET = "burnish.dev/target"
ENGINE_KEY = "burnish.dev/engine-key"
ENGINE = "burnish.dev/engine"
ATTEMPT = "burnish.dev/attempt"
MEMORY_FACTOR = "burnish.dev/memory-factor"
CLASS = "burnish.dev/accelerator-class"
RETRY = "burnish.dev/retry"
SPEC_HASH = "burnish.dev/spec-hash"
RUNTIME = "burnish.dev/runtime"
PROMOTE = "burnish.dev/promote"
ABORT = "burnish.dev/abort"
TRACK = "burnish.dev/track"
STABLE, CANARY = "stable", "canary"
MAX_LABEL = 63
_HASH_LENGTH = 8


def labels(model: str, target: str) -> dict[str, str]:
    """What every object that Burnish makes for a model carries."""
    return {
        MANAGED_BY: MANAGER,
        "app.kubernetes.io/part-of": MANAGER,
        MODEL: label_value(model),
        TARGET: label_value(target),
    }


def selector(model: str, target: str) -> dict[str, str]:
    """The part of the labels that tells one Deployment's pods from all others."""
    return {MODEL: label_value(model), TARGET: label_value(target), "app.kubernetes.io/component": "server"}


def label_value(text: str) -> str:
    """A label value holds at most 63 characters; longer names are cut, with a hash."""
    return (
        text
        if len(text) <= MAX_LABEL
        else f"{text[: MAX_LABEL - _HASH_LENGTH - 1].rstrip('-._')}-{_hash(text)}"
    )


def job_name(key: str) -> str:
    """One Job per engine key."""
    return f"burnish-{short_key(key)}"


def workload_name(model: str, target: str) -> str:
    """Name of the Deployment and Service: a DNS label (RFC 1035), with a hash wherever letters were lost."""
    plain = f"{model}-{target}"
    name = re.sub(r"[^a-z0-9-]", "-", plain.lower())
    name = name if name[0].isalpha() else f"m-{name}"
    if name == plain and len(name) <= MAX_LABEL:
        return name
    return f"{name[: MAX_LABEL - _HASH_LENGTH - 1].rstrip('-')}-{_hash(plain)}"


def beside(model: str, target: str, track: str) -> str:
    """Name of what a canary needs besides: its Deployment, and the Service of the stable pods alone."""
    return _cut(f"{workload_name(model, target)}-{track}")


def _cut(name: str) -> str:
    return (
        name
        if len(name) <= MAX_LABEL
        else f"{name[: MAX_LABEL - _HASH_LENGTH - 1].rstrip('-')}-{_hash(name)}"
    )


def engine_tag(key: str) -> str:
    """The tag that an engine lies at."""
    return key


def engine_place(repository: str, key: str) -> str:
    """Where the engine of this key lies: what a Job's annotation `burnish.dev/engine` says."""
    return f"{repository}:{engine_tag(key)}"


def revision_tag(namespace: str, name: str, revision: str) -> str:
    """The tag of a revision's index: `<namespace>.<name>.<revision>`, within a tag's 128 characters."""
    tag = f"{namespace}.{name}.{revision}"
    return tag if len(tag) <= 128 else f"{_hash(f'{namespace}/{name}')}.{revision}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
