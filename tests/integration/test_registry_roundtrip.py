"""Engines and files through a real registry: whole round trips, and every way in which they break."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from burnish_engine import store
from burnish_engine.errors import (
    IntegrityError,
    InvalidEngine,
    NotFound,
    RegistryUnavailable,
    Unauthorized,
)
from burnish_engine.oci import media
from burnish_engine.oci.artifact import UnsupportedArtifact, pull_files, push_files
from burnish_engine.oci.auth import Login
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_operator.adapters.registry import OciRegistry
from support import engines
from support.registry import free_port, running_registry

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("registry")
    with running_registry(folder) as address:
        yield address, folder / "storage/docker/registry/v2"


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with RegistryClient() as client:
        yield client


def reference(registry: tuple[str, Path], name: str = "engines:a") -> Reference:
    return Reference.parse(f"oci://{registry[0]}/burnish/{name}")


def blob_path(registry: tuple[str, Path], digest: str) -> Path:
    hexadecimal = digest.removeprefix("sha256:")
    return registry[1] / "blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"


def test_an_engine_that_is_gone_is_remembered_for_what_serves_alone(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    where = reference(registry, "leaving:abc")
    repository = str(where).removeprefix("oci://").rpartition(":")[0]
    store.push_engine(client, where, engines.write_engine(tmp_path / "engine"))
    found = OciRegistry(client, lambda: 0.0)
    assert found.find_engine(repository, "abc") is not None
    shutil.rmtree(registry[1] / "repositories/burnish/leaving/_manifests")
    assert found.find_engine(repository, "abc") is not None
    assert found.find_engine(repository, "abc", fresh=True) is None
    assert found.find_engine(repository, "abc") is None


def test_an_engine_comes_back_as_it_went(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    pushed = store.push_engine(client, reference(registry), folder)
    pulled = store.pull_engine(client, reference(registry).at(pushed.digest), tmp_path / "back")
    assert pulled == engines.descriptor()
    assert (tmp_path / "back/model/model.bin").read_bytes() == (folder / "model/model.bin").read_bytes()
    assert store.read_report(client, reference(registry))[0] == engines.report()
    assert store.verify_engine(client, reference(registry))[1].digest == pushed.digest


def test_the_same_engine_has_the_same_digest_wherever_it_is_packed(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    first = store.push_engine(client, reference(registry, "same:1"), engines.write_engine(tmp_path / "a"))
    second = store.push_engine(client, reference(registry, "same:2"), engines.write_engine(tmp_path / "b"))
    assert first.digest == second.digest


def test_an_engine_is_an_image_that_a_cluster_can_mount(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    store.push_engine(client, reference(registry, "image:1"), engines.write_engine(tmp_path / "engine"))
    manifest = json.loads(client.get_manifest(reference(registry, "image:1"))[0])
    assert manifest["artifactType"] == media.ENGINE_TYPE
    assert manifest["config"]["mediaType"] == media.CONFIG
    config = media.Descriptor.model_validate(manifest["config"])
    client.download_blob(reference(registry, "image:1"), config, tmp_path / "config.json")
    image = json.loads((tmp_path / "config.json").read_text())
    assert image["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert manifest["annotations"]["dev.burnish.engine.key"] == engines.KEY


def test_an_index_lists_one_engine_a_target(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    pushed = store.push_engine(
        client, reference(registry, "rev:a"), engines.write_engine(tmp_path / "engine")
    )
    store.push_index(client, reference(registry, "rev:ns.m.1"), {"cpu-a": pushed, "cpu-b": pushed})
    index = media.Index.model_validate_json(client.get_manifest(reference(registry, "rev:ns.m.1"))[0])
    assert [m.annotations["dev.burnish.engine.target"] for m in index.manifests] == ["cpu-a", "cpu-b"]


def test_a_truncated_blob_is_refused_and_nothing_is_left(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.onnx").write_bytes(b"truncated in a moment" * 1000)
    push_files(client, reference(registry, "cut:1"), tmp_path / "m", ["model.onnx"])
    manifest = media.Manifest.model_validate_json(client.get_manifest(reference(registry, "cut:1"))[0])
    stored = blob_path(registry, manifest.layers[0].digest)
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="truncated or damaged"):
        pull_files(client, reference(registry, "cut:1"), tmp_path / "back")
    assert not list((tmp_path / "back").iterdir())


def test_a_changed_blob_is_refused(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    pushed = store.push_engine(
        client, reference(registry, "bad:1"), engines.write_engine(tmp_path / "engine")
    )
    manifest = media.Manifest.model_validate_json(client.get_manifest(reference(registry, "bad:1"))[0])
    stored = blob_path(registry, manifest.layers[1].digest)
    data = bytearray(stored.read_bytes())
    data[600] ^= 1
    stored.write_bytes(bytes(data))
    try:
        with pytest.raises(IntegrityError, match="expected sha256:"):
            store.pull_engine(client, reference(registry, "bad:1").at(pushed.digest), tmp_path / "back")
    finally:
        data[600] ^= 1
        stored.write_bytes(bytes(data))


def test_a_manifest_of_another_digest_is_refused(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/a.txt").write_text("a")
    pushed = push_files(client, reference(registry, "swap:1"), tmp_path / "m", ["a.txt"])
    stored = blob_path(registry, pushed.digest)
    original = stored.read_bytes()
    stored.write_bytes(original.replace(b"a.txt", b"b.txt"))
    try:
        with pytest.raises((IntegrityError, RegistryUnavailable, NotFound)):
            client.get_manifest(reference(registry, "swap:1").at(pushed.digest))
    finally:
        stored.write_bytes(original)


def test_what_is_not_there_is_named(registry: tuple[str, Path], client: RegistryClient) -> None:
    with pytest.raises(NotFound, match=r"burnish/none:1: found nothing \(404\)"):
        client.resolve(reference(registry, "none:1"))
    assert client.exists(reference(registry, "none:1")) is None


def test_a_registry_that_is_down_is_worth_a_retry(client: RegistryClient, tmp_path: Path) -> None:
    down = Reference.parse(f"oci://127.0.0.1:{free_port()}/a:1")
    with pytest.raises(RegistryUnavailable, match="expected an answer from 127.0.0.1"):
        store.push_engine(client, down, engines.write_engine(tmp_path / "engine"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["engine"]


def test_an_interrupted_push_publishes_nothing(
    registry: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RegistryClient() as client:
        folder = engines.write_engine(tmp_path / "engine")
        original = client.upload_blob
        sent: list[str] = []

        def fail_on_second(*args: object) -> None:
            if sent:
                raise RegistryUnavailable("r", found="a cut wire", expected="an answer")
            sent.append("blob")
            original(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(client, "upload_blob", fail_on_second)
        with pytest.raises(RegistryUnavailable):
            store.push_engine(client, reference(registry, "half:1"), folder)
        assert client.exists(reference(registry, "half:1")) is None


def test_an_artifact_that_is_no_engine_is_refused(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.onnx").write_bytes(b"x")
    push_files(client, reference(registry, "plain:1"), tmp_path / "m", ["model.onnx"])
    with pytest.raises(InvalidEngine, match="found an artifact of type application/vnd.burnish.files"):
        store.pull_engine(client, reference(registry, "plain:1"), tmp_path / "back")


def test_a_title_that_leads_out_of_the_folder_is_refused(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    data = b"evil"
    layer = media.Descriptor(
        media_type=media.OCTETS,
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        size=len(data),
        annotations={media.TITLE: "../evil"},
    )
    target = reference(registry, "evil:1")
    client.upload_blob(target, data, layer)
    client.put_manifest(target, media.encode(media.Manifest(config=layer, layers=(layer,))), media.MANIFEST)
    with pytest.raises(IntegrityError, match="expected a path inside the artifact"):
        pull_files(client, target, tmp_path / "back")
    assert not (tmp_path / "evil").exists()


def test_a_layer_that_is_no_file_is_refused(
    registry: tuple[str, Path], client: RegistryClient, tmp_path: Path
) -> None:
    layer = media.Descriptor(
        media_type=media.OCTETS, digest=f"sha256:{hashlib.sha256(b'x').hexdigest()}", size=1
    )
    target = reference(registry, "nameless:1")
    client.upload_blob(target, b"x", layer)
    client.put_manifest(target, media.encode(media.Manifest(config=layer, layers=(layer,))), media.MANIFEST)
    with pytest.raises(UnsupportedArtifact, match="oras push"):
        pull_files(client, target, tmp_path / "back")


# bcrypt of "right" at cost 4: this registry takes nothing but bcrypt.
HTPASSWD = "me:$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC\n"


def test_a_registry_that_refuses_names_the_way_out(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(HTPASSWD)
    with running_registry(tmp_path, htpasswd=htpasswd) as address:
        target = Reference.parse(f"oci://{address}/a:1")
        with RegistryClient() as nobody, pytest.raises(Unauthorized, match="credentials that cover"):
            nobody.resolve(target)
        wrong = {address: Login(username="me", password="wrong")}
        with RegistryClient(logins=wrong) as stranger, pytest.raises(Unauthorized, match=r"refused \(401\)"):
            stranger.resolve(target)
        right = {address: Login(username="me", password="right")}
        with RegistryClient(logins=right) as friend:
            pushed = store.push_engine(friend, target, engines.write_engine(tmp_path / "engine"))
            assert friend.resolve(target).digest == pushed.digest


class TokenRegistry(BaseHTTPRequestHandler):
    """A registry that wants a Bearer token, and the token server beside it."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if self.path.startswith("/token"):
            self.asked.append(self.path)
            allowed = self.headers.get("Authorization") == Login(username="me", password="right").header
            return self._answer(200 if allowed else 401, b'{"token": "abc"}')
        if self.headers.get("Authorization") == "Bearer abc":
            return self._answer(200, b'{"schemaVersion": 2}')
        return self._answer(401, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        realm = f"http://{self.headers['Host']}/token"
        self.send_response(status)
        self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="r"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_token_is_fetched_once_and_used() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), TokenRegistry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        target = Reference.parse(f"oci://{address}/a/b:1")
        with RegistryClient(logins={address: Login(username="me", password="right")}) as client:
            client.resolve(target)
            client.resolve(target)
        assert TokenRegistry.asked == ["/token?scope=repository%3Aa%2Fb%3Apull&service=r"]
        with RegistryClient() as nobody, pytest.raises(Unauthorized):
            nobody.resolve(target)
        server.shutdown()
