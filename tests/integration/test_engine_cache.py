"""The cache of a node: many processes, kills, damage and little room, with real files and real locks."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from burnish_engine import signature
from burnish_engine.descriptor import ENGINE_FILE
from burnish_engine.errors import IntegrityError, RegistryUnavailable, UntrustedEngine
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.store import push_engine
from burnish_serving.source import EngineFolder, Place, locate
from support.broken_registry import BrokenRegistry, broken_registry
from support.engines import MODEL_FILES, write_engine
from support.registry import running_registry

pytestmark = pytest.mark.integration
Signed = tuple[Reference, ec.EllipticCurvePrivateKey]
STARTER = """
import pathlib, sys
from burnish_serving.source import Place, locate
found = locate(sys.argv[1], Place(pathlib.Path(sys.argv[2])))
print(found.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def registry() -> Iterator[BrokenRegistry]:
    with broken_registry() as running:
        yield running


def add(registry: BrokenRegistry, scratch: Path, key: str = "a", size_bytes: int = 0) -> Reference:
    folder = write_engine(scratch / key, key * 64)
    if size_bytes:
        (folder / "model/model.bin").write_bytes(key.encode() * size_bytes)
    (scratch / f"{key}-packed").mkdir()
    return registry.add_engine(folder, scratch / f"{key}-packed")


def no_sleep(_: float) -> None:
    """Try again at once."""


def pull(reference: Reference, cache: Path, max_bytes: int | None = None) -> EngineFolder:
    return locate(str(reference), Place(cache, max_bytes), no_sleep)


def starter(reference: Reference, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(reference), str(cache)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def path_told(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate(timeout=30)


def test_what_is_there_is_not_asked_for_again(registry: BrokenRegistry, tmp_path: Path) -> None:
    reference, cache = add(registry, tmp_path), tmp_path / "cache"
    first = pull(reference, cache)
    asked = len(registry.asked)
    again = pull(reference, cache)
    assert first.path == again.path
    assert first.digest == reference.digest
    assert len(registry.asked) == asked == 2
    assert {name: (again.path / name).read_bytes() for name in MODEL_FILES} == MODEL_FILES
    assert not list(cache.glob("*.partial"))


def test_of_many_that_want_one_engine_one_fetches_it(registry: BrokenRegistry, tmp_path: Path) -> None:
    reference, cache = add(registry, tmp_path, size_bytes=1 << 20), tmp_path / "cache"
    processes = [starter(reference, cache) for _ in range(4)]
    paths = {path_told(process) for process in processes}
    assert len(paths) == 1
    assert (paths.pop() / ENGINE_FILE).is_file()
    assert len(registry.asked) == 2
    end(*processes)


def damaged(folder: Path, how: str) -> None:
    model = folder / "model/model.bin"
    match how:
        case "a bit":
            model.write_bytes(b"\x01" + model.read_bytes()[1:])
        case "shorter":
            model.write_bytes(model.read_bytes()[:-1])
        case "gone":
            model.unlink()
        case "one more":
            (folder / "model/extra").write_bytes(b"x")
        case "engine.json":
            (folder / ENGINE_FILE).write_bytes((folder / ENGINE_FILE).read_bytes() + b" ")
        case "manifest":
            (folder.parent / "manifest.json").write_bytes(b"{}")
        case "all gone":
            for path in sorted(folder.parent.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()


DAMAGES = ["a bit", "shorter", "gone", "one more", "engine.json", "manifest", "all gone"]


@pytest.mark.parametrize("how", DAMAGES)
def test_an_entry_that_is_damaged_is_fetched_again(
    registry: BrokenRegistry, tmp_path: Path, how: str
) -> None:
    reference, cache = add(registry, tmp_path), tmp_path / "cache"
    used = pull(reference, cache)
    damaged(used.path, how)
    again = pull(reference, cache)
    assert {name: (again.path / name).read_bytes() for name in MODEL_FILES} == MODEL_FILES
    assert len(registry.asked) == 4
    assert not list(cache.glob(".removed-*"))


def test_a_kill_in_the_middle_of_a_pull_costs_the_next_start_only_the_rest(
    registry: BrokenRegistry, tmp_path: Path
) -> None:
    size = 4 << 20
    reference, cache = add(registry, tmp_path, size_bytes=size), tmp_path / "cache"
    registry.does.hang_after = 3 << 20
    killed = starter(reference, cache)
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size for path in cache.rglob("*.part")) < 3 << 20:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    end(killed)
    registry.does.hang_after = None
    registry.does.go_on.set()
    before = len(registry.asked)
    found = pull(reference, cache)
    assert (found.path / "model/model.bin").stat().st_size == size
    ranges = [asked for _, asked in registry.asked[before:]]
    assert [int(asked.removeprefix("bytes=").removesuffix("-")) >= 3 << 20 for asked in ranges if asked] == [
        True
    ]


def test_wrong_bytes_never_become_an_entry(registry: BrokenRegistry, tmp_path: Path) -> None:
    reference, cache = add(registry, tmp_path), tmp_path / "cache"
    registry.does.wrong_bytes = True
    with pytest.raises(IntegrityError):
        pull(reference, cache)
    assert [path for path in cache.glob("sha256-*") if path.is_dir() and path.suffix != ".partial"] == []
    registry.does.wrong_bytes = False
    assert pull(reference, cache).path.is_dir()


def test_a_registry_that_cuts_everything_is_given_up_and_what_came_is_kept(
    registry: BrokenRegistry, tmp_path: Path
) -> None:
    reference, cache = add(registry, tmp_path), tmp_path / "cache"
    registry.does.cut_after = 100
    with pytest.raises(RegistryUnavailable):
        pull(reference, cache)
    registry.does.cut_after = None
    before = len(registry.asked)
    pull(reference, cache)
    assert all(asked.startswith("bytes=") for _, asked in registry.asked[before:])


def cached(cache: Path, *references: Reference) -> set[Reference]:
    return {one for one in references if (cache / str(one.digest).replace(":", "-")).is_dir()}


def test_what_was_not_used_for_longest_goes_first_and_what_is_used_stays(
    registry: BrokenRegistry, tmp_path: Path
) -> None:
    size, cache = 1 << 20, tmp_path / "cache"
    a, b, c, d = (add(registry, tmp_path, key, size) for key in "abcd")
    used = starter(a, cache)
    path_told(used)
    for reference in (b, c):
        pull(reference, cache).release()
        time.sleep(0.01)
    pull(b, cache).release()  # now c is the one that was not used for longest, but for a, which is in use
    kept = pull(d, cache, max_bytes=int(4.5 * size))
    assert (kept.path / "model/model.bin").is_file()
    left = {
        reference for reference in (a, b, c, d) if (cache / str(reference.digest).replace(":", "-")).is_dir()
    }
    assert left == {a, b, d}
    end(used)
    pull(c, cache, max_bytes=3 * size)  # nobody uses a any more: its server was killed
    left = {
        reference for reference in (a, b, c, d) if (cache / str(reference.digest).replace(":", "-")).is_dir()
    }
    assert left == {c, d}


@pytest.fixture(scope="module")
def signed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Signed]:
    folder, key = tmp_path_factory.mktemp("signed"), ec.generate_private_key(ec.SECP256R1())
    with running_registry(folder) as address, RegistryClient() as client:
        place = Reference.parse(f"{address}/engines:1")
        reference = place.at(push_engine(client, place, write_engine(folder / "engine")).digest)
        signature.sign(client, reference, key)
        yield reference, key


def test_a_signed_engine_is_taken_by_its_key_and_by_no_other(signed: Signed, tmp_path: Path) -> None:
    reference, key = signed
    cache, other = tmp_path / "cache", ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(UntrustedEngine):
        locate(str(reference), Place(cache, None, (other.public_key(),)), no_sleep)
    assert not list(cache.rglob(ENGINE_FILE))  # not even unpacked
    found = locate(str(reference), Place(cache, None, (key.public_key(),)), no_sleep)
    assert found.digest == reference.digest
    with pytest.raises(UntrustedEngine):
        locate(str(reference), Place(cache, None, (other.public_key(),)), no_sleep)


def test_a_folder_is_no_signed_engine(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(UntrustedEngine, match="a folder"):
        locate(str(write_engine(tmp_path / "engine")), Place(None, None, (key.public_key(),)))


def test_a_folder_whose_files_changed_is_refused(tmp_path: Path) -> None:
    folder = write_engine(tmp_path / "engine")
    (folder / "model/model.bin").write_bytes(b"other")
    with pytest.raises(IntegrityError, match="model.bin"):
        locate(str(folder))


def test_signatures_are_kept_for_a_start_without_the_registry(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    place = Place(tmp_path / "cache", None, (key.public_key(),))
    with running_registry(tmp_path) as address, RegistryClient() as client:
        tag = Reference.parse(f"{address}/engines:1")
        reference = tag.at(push_engine(client, tag, write_engine(tmp_path / "engine")).digest)
        signature.sign(client, reference, key)
        locate(str(reference), place, no_sleep)
    assert locate(str(reference), place, no_sleep).digest == reference.digest
