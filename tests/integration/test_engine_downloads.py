"""Blobs from a registry that misbehaves: they arrive, or the refusal says why."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish_engine import digest as digests
from burnish_engine.errors import IntegrityError, RegistryUnavailable
from burnish_engine.oci import download, media
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.download import fetch_blob, fetch_blobs
from burnish_engine.oci.media import Descriptor
from burnish_engine.oci.reference import Reference
from support.broken_registry import BrokenRegistry, broken_registry

pytestmark = pytest.mark.integration
CONTENT = os.urandom(3 << 20)


@pytest.fixture
def registry() -> Iterator[BrokenRegistry]:
    with broken_registry() as running:
        yield running


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with RegistryClient() as made:
        yield made


class Waits(list[float]):
    """Takes the place of sleep, and remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def add(registry: BrokenRegistry, content: bytes = CONTENT) -> tuple[Reference, Descriptor]:
    digest = digests.of_bytes(content)
    registry.blobs[digest] = content
    blob = Descriptor(media_type=media.OCTETS, digest=digest, size=len(content))
    return Reference.parse(f"{registry.address}/blobs"), blob


def test_a_line_that_is_cut_again_and_again_costs_no_byte_twice(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    reference, blob = add(registry)
    registry.does.cut_after = 400 << 10
    fetch_blob(client, reference, blob, tmp_path / "blob", waits := Waits())
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert registry.sent_bytes == len(CONTENT)
    assert [asked for _, asked in registry.asked[1:]] == [f"bytes={n * (400 << 10)}-" for n in range(1, 8)]
    assert set(waits) == {download.RETRY_SECONDS[0]}  # each try brought something


def test_what_a_killed_process_left_is_gone_on_with(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    reference, blob = add(registry)
    (tmp_path / "blob.part").write_bytes(CONTENT[: 1 << 20])
    fetch_blob(client, reference, blob, tmp_path / "blob", Waits())
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert registry.sent_bytes == 2 << 20


@pytest.mark.parametrize("left", [b"x" * 1000, CONTENT + b"too much", CONTENT[:-1] + b"x"])
def test_what_lies_there_damaged_is_fetched_anew(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path, left: bytes
) -> None:
    reference, blob = add(registry)
    (tmp_path / "blob.part").write_bytes(left)
    fetch_blob(client, reference, blob, tmp_path / "blob", Waits())
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_a_registry_without_ranges_is_read_from_the_beginning(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    reference, blob = add(registry)
    registry.does.ignores_ranges, registry.does.cut_after, registry.does.cuts = True, 1 << 20, 2
    fetch_blob(client, reference, blob, tmp_path / "blob", Waits())
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_not_kept(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    reference, blob = add(registry)
    registry.does.wrong_bytes = True
    with pytest.raises(IntegrityError, match=blob.digest):
        fetch_blob(client, reference, blob, tmp_path / "blob", Waits())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_waited_for_as_long_as_it_says(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path, status: int
) -> None:
    reference, blob = add(registry)
    registry.does.refusals, registry.does.retry_after = [status, status], "7"
    fetch_blob(client, reference, blob, tmp_path / "blob", waits := Waits())
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert waits == [7.0, 7.0]


def test_a_registry_that_says_never_is_not_waited_for(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    reference, blob = add(registry)
    registry.does.refusals, registry.does.retry_after = [503], "99999"
    fetch_blob(client, reference, blob, tmp_path / "blob", waits := Waits())
    assert waits == [download.MAX_WAIT_SECONDS]


def test_a_registry_that_never_sends_is_given_up(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    reference, blob = add(registry)
    registry.does.cut_after = 0
    with pytest.raises(RegistryUnavailable):
        fetch_blob(client, reference, blob, tmp_path / "blob", waits := Waits())
    assert waits == list(download.RETRY_SECONDS)


def test_blobs_come_side_by_side_and_a_wrong_one_is_told(
    registry: BrokenRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    both = [add(registry, content) for content in (CONTENT, b"small", b"")]
    paths = [(blob, tmp_path / str(index)) for index, (_, blob) in enumerate(both)]
    fetch_blobs(client, both[0][0], paths, Waits())
    assert [path.read_bytes() for _, path in paths] == [CONTENT, b"small", b""]
    registry.blobs[both[1][1].digest] = b"other"
    (tmp_path / "1").unlink()
    with pytest.raises(IntegrityError):
        fetch_blobs(client, both[0][0], paths, Waits())
