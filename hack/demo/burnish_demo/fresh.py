"""FRESH=1: forget the engines of a model, so that its Jobs run again."""

from burnish_demo.deploy import RELEASE
from burnish_demo.kube import Kube
from burnish_demo.place import SYSTEM_NAMESPACE, Place
from burnish_engine.errors import NotFound
from burnish_engine.oci.artifact import read_manifest
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.store import PREFIX

KEY_LENGTH = 64


def forget(place: Place, client: RegistryClient, namespace: str, name: str, source_digest: str) -> int:
    """Delete the OptimizedModel, wait until it is gone, and delete its engines; returns how many.

    Raises: Unauthorized, RegistryUnavailable: the registry does not allow to delete.
    """
    kube = Kube(place.kubectl)
    kube.delete("optimizedmodel", namespace, name)
    deleted = delete_engines(client, Reference.parse(f"{place.push_to}/engines"), source_digest)
    _restart_operator(kube)
    return deleted


def _restart_operator(kube: Kube) -> None:
    # It remembers for some minutes which engines the registry has.
    name, where = f"deployment/{RELEASE}", f"--namespace={SYSTEM_NAMESPACE}"
    kube.run("rollout", "restart", name, where)
    kube.run("rollout", "status", name, where, "--timeout=120s", timeout_seconds=150.0)


def delete_engines(client: RegistryClient, repository: Reference, source_digest: str) -> int:
    """Delete all engines of a repository that were made from one source, whatever their keys."""
    found = [repository.tagged(tag) for tag in client.tags(repository) if len(tag) == KEY_LENGTH]
    ours = [engine for engine in found if _source_of(client, engine) == source_digest]
    for engine in ours:
        client.delete_manifest(engine)
    return len(ours)


def _source_of(client: RegistryClient, engine: Reference) -> str | None:
    try:
        manifest, _ = read_manifest(client, engine)
    except NotFound:
        return None  # deleted with an earlier tag of the same digest
    return manifest.annotations.get(f"{PREFIX}source-digest")
