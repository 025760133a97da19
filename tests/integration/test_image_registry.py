"""The image build's memory is the registry: what was pushed for the same inputs is named anew, not built."""

import hashlib
import json
import sys
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hack" / "images"))

from light import ControlPlane
from registry import MANIFESTS, Registry

pytestmark = pytest.mark.integration


def put(url: str, body: bytes, media_type: str, method: str = "PUT") -> str:
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": media_type})
    with urllib.request.urlopen(request, timeout=10) as answer:
        location: str = answer.headers["Location"]
        return location


def push(host: str, repository: str, tag: str) -> str:
    """An image manifest with an empty configuration and no layer; returns its digest."""
    config = b"{}"
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    upload = put(f"http://{host}/v2/{repository}/blobs/uploads/", b"", "application/octet-stream", "POST")
    put(f"{upload}&digest={digest}", config, "application/octet-stream")
    described = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": digest,
        "size": len(config),
    }
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFESTS[0], "config": described, "layers": []}
    ).encode()
    put(f"http://{host}/v2/{repository}/manifests/{tag}", manifest, MANIFESTS[0])
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def test_known_inputs_get_the_new_tag(control_plane: ControlPlane) -> None:
    registry = Registry(f"{control_plane.registry}/burnish", plain_http=True)
    digest = push(control_plane.registry, "burnish/operator", "inputs-0a")
    assert registry.retag("operator", "inputs-0a", "dev") == digest
    assert Registry.pinned(f"{registry.repository('operator')}:dev", plain_http=True).endswith(f"@{digest}")


def test_unknown_inputs_must_be_built(control_plane: ControlPlane) -> None:
    registry = Registry(f"{control_plane.registry}/burnish", plain_http=True)
    assert registry.retag("operator", "inputs-0b", "dev") is None


def test_a_registry_that_is_down_leaves_it_to_the_builder() -> None:
    assert Registry("127.0.0.1:9/burnish", plain_http=True).retag("operator", "inputs-0a", "dev") is None
