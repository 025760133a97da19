"""FRESH=1: forget the engines of a model, so that its Jobs run again."""

import httpx

from burnish_demo.errors import DemoError
from burnish_demo.kube import Kube, Object
from burnish_demo.place import Place
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference


def forget(place: Place, client: RegistryClient, namespace: str, name: str) -> list[str]:
    """Delete the OptimizedModel, wait until it is gone, and delete its engines; returns their keys.

    Raises: DemoError: the registry does not allow to delete.
    """
    kube = Kube(place.kubectl)
    model = kube.find("optimizedmodel", namespace, name) if _is_known(kube) else None
    if model is None:
        return []
    kube.delete("optimizedmodel", namespace, name)
    return [delete_engine(place, client, engine) for engine in engines_of(model)]


def _is_known(kube: Kube) -> bool:
    return bool(kube.run("api-resources", "--api-group=burnish.dev", "-o", "name").strip())


def engines_of(model: Object) -> list[Object]:
    """`status.targets[].engine` of all targets that have one."""
    targets = model.get("status", {}).get("targets", [])
    return [target["engine"] for target in targets if target.get("engine")]


def delete_engine(place: Place, client: RegistryClient, engine: Object) -> str:
    """Delete one engine's manifest; one that is gone is fine."""
    reference = Reference.parse(place.from_here(engine["reference"]))
    if client.exists(reference) is None:
        return str(engine["key"])
    plain = reference.host.rpartition(":")[0] in ("127.0.0.1", "localhost")
    url = f"{'http' if plain else 'https'}://{reference.host}/v2/{reference.repository}/manifests/{engine['digest']}"
    response = httpx.delete(url, timeout=10.0)
    if response.status_code not in (200, 202, 404):
        raise DemoError(
            str(reference),
            found=f"{response.status_code} to a request to delete",
            expected="a registry that lets us delete this engine",
            remedy="Delete the tag by your registry's own means, or give another REGISTRY path.",
        )
    return str(engine["key"])
