"""FRESH=1 deletes the engines of one source from a real registry, and no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish_demo.fresh import delete_engines
from burnish_engine import store
from burnish_engine.descriptor import ENGINE_FILE
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from support import engines
from support.registry import running_registry

pytestmark = pytest.mark.integration
OTHER = "sha256:" + "9" * 64


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Reference]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with running_registry(folder) as address:
        yield Reference.parse(f"{address}/burnish/engines")


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with RegistryClient() as client:
        yield client


def push(client: RegistryClient, repository: Reference, folder: Path, key: str, source: str) -> Reference:
    written = engines.write_engine(folder, key)
    descriptor = engines.descriptor(key).model_copy(update={"source_digest": source})
    (written / ENGINE_FILE).write_text(descriptor.model_dump_json())
    store.push_engine(client, repository.tagged(key), written)
    return repository.tagged(key)


def test_a_repository_that_does_not_exist_has_no_tags(client: RegistryClient, repository: Reference) -> None:
    assert client.tags(repository) == []


def test_deleting_what_is_not_there_is_fine(client: RegistryClient, repository: Reference) -> None:
    client.delete_manifest(repository.tagged("a"))
    client.delete_manifest(repository.at(OTHER))


def test_engines_of_the_source_go_and_all_others_stay(
    client: RegistryClient, repository: Reference, tmp_path: Path
) -> None:
    source = engines.descriptor().source_digest
    ours = [push(client, repository, tmp_path / key[0], key, source) for key in ("a" * 64, "b" * 64)]
    other = push(client, repository, tmp_path / "c", "c" * 64, OTHER)
    descriptor = client.resolve(other)
    store.push_index(client, repository.tagged("demo.page.1"), {"large": descriptor})

    assert delete_engines(client, repository, source) == 2
    assert [client.exists(engine) for engine in ours] == [None, None]
    assert client.exists(other) == descriptor
    assert client.exists(repository.tagged("demo.page.1")) is not None
    assert delete_engines(client, repository, source) == 0
