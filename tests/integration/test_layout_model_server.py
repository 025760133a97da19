"""What is laid out for OpenVINO Model Server: its schema accepts it, and OpenVINO itself loads and runs it.

The server is in no package of a registry that tests may use, so it does not run here.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import openvino
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from burnish_cli.main import cli, run
from burnish_engine import signature, store
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.outcome import ExitCode
from support.engines import report
from support.layouts import WEIGHTS, write_linear, write_linear_ir
from support.model_server_schema import SCHEMA
from support.registry import running_registry

pytestmark = pytest.mark.integration


def laid_out(engine: str, out: Path, *more: str) -> dict[str, Any]:
    told = ["engine", "layout", engine, "--runtime", "OpenVINOModelServer", "--model-name", "pages"]
    result = CliRunner().invoke(cli, [*told, "-o", str(out), "-O", "json", *more])
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def served(out: Path) -> tuple[Path, dict[str, str]]:
    """The model that the server would load, and the properties that it would compile it with."""
    config = json.loads((out / "config.json").read_text())
    jsonschema.validate(config, SCHEMA)
    [entry] = config["model_config_list"]
    [version] = entry["config"]["model_version_policy"]["specific"]["versions"]
    folder = out / entry["config"]["base_path"] / str(version)
    [model] = [path for path in folder.iterdir() if path.suffix in (".xml", ".onnx")]
    return model, entry["config"]["plugin_config"]


@pytest.mark.parametrize("write", [write_linear_ir, pytest.param(None, id="onnx")])
def test_openvino_loads_it_with_the_properties_that_stand_there(tmp_path: Path, write: Any) -> None:
    from burnish_engine.request import Backend

    folder = tmp_path / "engine"
    write(folder) if write else write_linear(folder, backend=Backend.OPENVINO)
    laid_out(str(folder), tmp_path / "out", "--threads", "1")
    path, properties = served(tmp_path / "out")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", properties)
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    for rows in (1, 7):
        x = np.random.default_rng(rows).standard_normal((rows, 4), dtype=np.float32)
        [answer] = compiled(x).values()
        np.testing.assert_allclose(answer, x @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_from_a_registry_it_is_pulled_verified_and_laid_out(tmp_path: Path) -> None:
    folder = write_linear_ir(tmp_path / "engine")
    (folder / "report.json").write_text(report().model_dump_json())
    with running_registry(tmp_path) as address, RegistryClient() as client:
        reference = Reference.parse(f"oci://{address}/burnish/engines:a")
        digest = store.push_engine(client, reference, folder).digest
        pinned = str(reference.at(digest))
        facts = laid_out(pinned, tmp_path / "out", "--cache", str(tmp_path / "cache"))
        assert facts["digest"] == digest
        again = laid_out(pinned, tmp_path / "out", "--cache", str(tmp_path / "cache"))
    assert again == facts
    path, _ = served(tmp_path / "out")
    assert path.read_bytes() == (folder / "model/model.xml").read_bytes()


def test_with_a_key_only_what_it_signed_is_laid_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_linear_ir(tmp_path / "engine")
    (folder / "report.json").write_text(report().model_dump_json())
    key = ed25519.Ed25519PrivateKey.generate()
    pem, info = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key.pub").write_bytes(key.public_key().public_bytes(pem, info))
    more = ("--cache", str(tmp_path / "cache"), "--verify-key", str(tmp_path / "key.pub"))
    with running_registry(tmp_path) as address, RegistryClient() as client:
        reference = Reference.parse(f"oci://{address}/burnish/engines:a")
        pinned = reference.at(store.push_engine(client, reference, folder).digest)
        told = ["engine", "layout", str(pinned), "--runtime", "OpenVINOModelServer"]
        with pytest.raises(SystemExit) as ended:
            run(cli, "burnish", [*told, "-o", str(tmp_path / "out"), *more])
        assert ended.value.code == ExitCode.STALLED
        assert "UntrustedEngine" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
        signature.sign(client, pinned, key)
        assert laid_out(str(pinned), tmp_path / "out", *more)["digest"] == pinned.digest


def test_an_engine_that_the_server_has_no_backend_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_linear(tmp_path / "engine")
    told = ["engine", "layout", str(folder), "--runtime", "OpenVINOModelServer", "-o", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        run(cli, "burnish", told)
    assert ended.value.code == ExitCode.STALLED
    assert "EngineNotServable" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
