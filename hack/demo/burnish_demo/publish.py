"""Materials into the registry, as OCI artifacts of one file."""

from collections.abc import Iterable

from burnish_demo.materials import Material
from burnish_engine.oci.artifact import push_files
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference


def publish(client: RegistryClient, prefix: str, materials: Iterable[Material]) -> dict[str, str]:
    """Push below `prefix` (host[/path]); what is there already is only checked.

    Returns: reference (`models/page-orientation:1`) to the manifest's digest.
    Raises: the client's errors: Unauthorized, RegistryUnavailable …
    """
    return {
        each.reference: push_files(
            client, Reference.parse(f"{prefix}/{each.reference}"), each.path.parent, [each.path.name]
        ).digest
        for each in materials
    }
