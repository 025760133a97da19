"""Who made this engine: signatures beside it in the registry, in cosign's format for keys.

Signatures of a manifest `sha256:<hex>` lie at the tag `sha256-<hex>.sig`: an image manifest with one layer
for each. The layer is a payload that names the manifest's digest; an annotation holds the signature of it.
`cosign sign --key` writes what is verified here, `cosign verify --key` verifies what is written here.
Source: cosign, specs/SIGNATURE_SPEC.md ("Simple Signing").
"""

import base64
import binascii
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from burnish_engine import digest as digests
from burnish_engine.base import Record
from burnish_engine.errors import IntegrityError, NotFound, UntrustedEngine
from burnish_engine.oci import media
from burnish_engine.oci.artifact import read_manifest
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.media import Descriptor, Manifest
from burnish_engine.oci.reference import Reference

if TYPE_CHECKING:
    from burnish_engine.keys import PrivateKey, PublicKey

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
PAYLOAD_KIND = "cosign container image signature"
# A payload is a few hundred bytes; a registry must not fill our memory with what nobody has verified yet.
MAX_PAYLOAD_BYTES, MAX_SIGNATURES = 64 << 10, 50


class Signed(Record):
    """A payload and its signature, both in base64: enough to verify again without a registry."""

    payload: str
    signature: str


def sign(client: RegistryClient, reference: Reference, key: "PrivateKey") -> Descriptor:
    """Sign what lies at `reference` (a digest; a tag is resolved), and add the signature to those there.

    Returns: the descriptor of the list of signatures.
    """
    from burnish_engine.keys import signed_by  # noqa: PLC0415 - slow to load, see there

    target = reference if reference.digest else reference.at(client.resolve(reference).digest)
    payload = _payload(target)
    signature = base64.b64encode(signed_by(key, payload)).decode()
    layer = Descriptor(
        media_type=PAYLOAD_TYPE,
        digest=digests.of_bytes(payload),
        size=len(payload),
        annotations={SIGNATURE: signature},
    )
    place = _place(target)
    layers = (*_layers(client, place), layer)
    client.upload_blob(place, payload, layer)
    config_data = digests.canonical_json(media.image_config([item.digest for item in layers]))
    config = Descriptor(media_type=media.CONFIG, digest=digests.of_bytes(config_data), size=len(config_data))
    client.upload_blob(place, config_data, config)
    data = media.encode(Manifest(config=config, layers=layers))
    digest = client.put_manifest(place, data, media.MANIFEST)
    return Descriptor(media_type=media.MANIFEST, digest=digest, size=len(data))


def fetch_signatures(client: RegistryClient, reference: Reference) -> tuple[Signed, ...]:
    """All signatures of a pinned manifest, unverified; none where nobody signed it."""
    place = _place(reference)
    return tuple(
        Signed(
            payload=base64.b64encode(_blob(client, place, layer)).decode(),
            signature=layer.annotations[SIGNATURE],
        )
        for layer in _layers(client, place)[:MAX_SIGNATURES]
        if SIGNATURE in layer.annotations and layer.size <= MAX_PAYLOAD_BYTES
    )


def verify(subject: str, digest: str, signatures: Sequence[Signed], keys: "Sequence[PublicKey]") -> None:
    """One of the signatures must be of this digest and by one of these keys.

    Raises: UntrustedEngine.
    """
    payloads = [payload for item in signatures if (payload := _verified(item, keys)) is not None]
    if any(_names(payload, digest) for payload in payloads):
        return
    found = "no signature"
    if signatures:
        found = f"{len(signatures)} signatures, " + (
            "of other content" if payloads else "none by a key that is trusted here"
        )
    raise UntrustedEngine(
        subject,
        found=found,
        expected=f"a signature of {digest} by one of {len(keys)} keys",
        remedy="Sign it (`burnish sign`, or `cosign sign --key`), or give the key of who signed it.",
    )


def _verified(item: Signed, keys: "Sequence[PublicKey]") -> bytes | None:
    """The payload, if one of the keys signed it."""
    from burnish_engine.keys import is_by  # noqa: PLC0415 - slow to load, see there

    try:
        payload, signature = (
            base64.b64decode(text, validate=True) for text in (item.payload, item.signature)
        )
    except binascii.Error:
        return None
    return payload if any(is_by(key, signature, payload) for key in keys) else None


def _payload(target: Reference) -> bytes:
    critical = {
        "identity": {"docker-reference": target.name},
        "image": {"docker-manifest-digest": target.digest},
        "type": PAYLOAD_KIND,
    }
    return digests.canonical_json({"critical": critical, "optional": None})


def _names(payload: bytes, digest: str) -> bool:
    """Whether a payload whose signature holds is about this manifest."""
    try:
        critical = json.loads(payload)["critical"]
        return bool(
            critical["image"]["docker-manifest-digest"] == digest and critical["type"] == PAYLOAD_KIND
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _place(target: Reference) -> Reference:
    if target.digest is None:
        raise IntegrityError(str(target), found="no digest", expected="the digest that is signed")
    return target.tagged(f"{target.digest.replace(':', '-')}.sig")


def _layers(client: RegistryClient, place: Reference) -> tuple[Descriptor, ...]:
    try:
        return read_manifest(client, place)[0].layers
    except NotFound:
        return ()


def _blob(client: RegistryClient, place: Reference, layer: Descriptor) -> bytes:
    with tempfile.TemporaryDirectory(prefix="burnish-signature-") as scratch:
        client.download_blob(place, layer, Path(scratch) / "payload")
        return (Path(scratch) / "payload").read_bytes()
