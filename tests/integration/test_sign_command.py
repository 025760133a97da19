"""`burnish push --sign`, `sign`, `verify --key` and `serve --verify-key`, against a real registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from burnish_cli.main import cli
from burnish_engine.errors import InvalidKey, UntrustedEngine
from support.engines import write_engine
from support.onnx_models import write_scaler
from support.registry import running_registry
from support.servers import running_server

pytestmark = pytest.mark.integration
PASSWORD = "a secret of the test"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, encryption))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def run(*arguments: object) -> Result:
    return CliRunner(env={"BURNISH_SIGN_PASSWORD": PASSWORD}).invoke(cli, [str(a) for a in arguments])


def test_what_is_pushed_with_a_key_is_verified_by_it(
    address: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    pushed = run("push", write_engine(tmp_path / "engine"), f"oci://{address}/signed:1", "--sign", private)
    assert pushed.exit_code == 0, pushed.output
    verified = run("verify", pushed.output.strip(), "--key", public, "--output", "json")
    assert verified.exit_code == 0, verified.output
    assert '"signed": true' in verified.output


def test_what_is_signed_later_is_verified_as_well(
    address: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    reference = run(
        "push", write_engine(tmp_path / "engine", "b" * 64), f"oci://{address}/later:1"
    ).output.strip()
    assert isinstance(run("verify", reference, "--key", public).exception, UntrustedEngine)
    signed = run("sign", f"oci://{address}/later:1", "--key", private)
    assert signed.output.strip() == reference
    assert run("verify", reference, "--key", public).exit_code == 0


def test_a_server_with_a_key_takes_what_it_signed_alone(
    address: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    reference = run("push", write_scaler(tmp_path / "two", 2.0), f"oci://{address}/served:1").output.strip()
    settings = {"cache": str(tmp_path / "cache"), "verify_keys": [str(public)]}
    with running_server(reference, **settings) as running:
        assert running.exit_code() == 1
    assert "no signature" in "".join(running.text)
    run("sign", reference, "--key", private)
    with running_server(reference, **settings) as running:
        assert running.logged("ready")["digest"] in reference


def test_a_key_that_is_none_is_told_before_any_work(address: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("no key")
    engine = write_engine(tmp_path / "engine")
    assert isinstance(run("push", engine, f"oci://{address}/x:1", "--sign", wrong).exception, InvalidKey)
    refused = run("optimize", "m.onnx", "--push", f"oci://{address}/x:1", "--sign", wrong)
    assert isinstance(refused.exception, InvalidKey)
    assert run("optimize", "m.onnx", "-o", tmp_path / "out", "--sign", wrong).exit_code == 2
    assert run("verify", engine, "--key", wrong).exit_code != 0
