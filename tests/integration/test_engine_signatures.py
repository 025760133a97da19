"""Signatures in a real registry: who signed is told from who did not, and nothing else counts."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from burnish_engine import signature
from burnish_engine.errors import InvalidKey, UntrustedEngine
from burnish_engine.keys import PrivateKey, read_private_key, read_public_key
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.signature import Signed
from burnish_engine.store import push_engine
from support.engines import write_engine
from support.registry import running_registry

pytestmark = pytest.mark.integration
KEYS: dict[str, PrivateKey] = {
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(65537, 2048),
}


@pytest.fixture(scope="module")
def client() -> Iterator[RegistryClient]:
    with RegistryClient() as made:
        yield made


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory, client: RegistryClient) -> Iterator[list[Reference]]:
    folder = tmp_path_factory.mktemp("registry")
    with running_registry(folder) as address:
        places = [Reference.parse(f"{address}/{name}:1") for name in ("a", "b", "c", "d")]
        yield [
            place.at(push_engine(client, place, write_engine(folder / place.repository, key)).digest)
            for place, key in zip(places, ("a" * 64, "b" * 64, "c" * 64, "d" * 64), strict=True)
        ]


def checked(client: RegistryClient, engine: Reference, *keys: PrivateKey) -> None:
    assert engine.digest
    found = signature.fetch_signatures(client, engine)
    signature.verify(str(engine), engine.digest, found, [key.public_key() for key in keys])


def test_every_kind_of_key_signs_and_is_added_to_those_before(
    client: RegistryClient, engines: list[Reference]
) -> None:
    for key in KEYS.values():
        signature.sign(client, engines[0], key)
        checked(client, engines[0], key)
    assert len(signature.fetch_signatures(client, engines[0])) == len(KEYS)
    for key in KEYS.values():
        checked(client, engines[0], key)


def test_an_engine_that_nobody_signed_is_refused(client: RegistryClient, engines: list[Reference]) -> None:
    with pytest.raises(UntrustedEngine, match="no signature"):
        checked(client, engines[1], KEYS["ecdsa"])


def test_a_signature_by_somebody_else_is_refused(client: RegistryClient, engines: list[Reference]) -> None:
    signature.sign(client, engines[2], KEYS["ecdsa"])
    with pytest.raises(UntrustedEngine, match="none by a key"):
        checked(client, engines[2], KEYS["rsa"], KEYS["ed25519"])
    checked(client, engines[2], KEYS["rsa"], KEYS["ecdsa"])


def test_a_signature_of_another_engine_is_refused(client: RegistryClient, engines: list[Reference]) -> None:
    signature.sign(client, engines[3], KEYS["rsa"])
    (signed,) = signature.fetch_signatures(client, engines[3])
    assert engines[0].digest
    with pytest.raises(UntrustedEngine, match="of other content"):
        signature.verify("engine", engines[0].digest, [signed], [KEYS["rsa"].public_key()])


@pytest.mark.parametrize("text", ["", "!", base64.b64encode(b"{}").decode()])
def test_nonsense_is_no_signature(text: str) -> None:
    signed, keys = Signed(payload=text, signature=text), [key.public_key() for key in KEYS.values()]
    with pytest.raises(UntrustedEngine):
        signature.verify("engine", "sha256:" + "0" * 64, [signed], keys)


def test_keys_are_read_from_pem_and_nothing_else(tmp_path: Path) -> None:
    key, path = KEYS["ecdsa"], tmp_path / "key.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert read_private_key(path, "secret").public_key() == key.public_key()
    for password in (None, "other"):
        with pytest.raises(InvalidKey):
            read_private_key(path, password)
    for content in (b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        path.write_bytes(content)
        with pytest.raises(InvalidKey, match="public key in PEM"):
            read_public_key(path)
    with pytest.raises(InvalidKey):
        read_public_key(tmp_path / "nowhere")
