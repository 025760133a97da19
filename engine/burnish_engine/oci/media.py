"""Media types, annotations, and the two records that manifests are made of."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
OCTETS = "application/octet-stream"
ENGINE_TYPE = "application/vnd.burnish.engine.v1"
REVISION_TYPE = "application/vnd.burnish.revision.v1"
FILES_TYPE = "application/vnd.burnish.files.v1"

TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"


class OciRecord(BaseModel):
    """As the specification spells it (camelCase); unknown fields are other people's extensions."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


class Descriptor(OciRecord):
    """A pointer to content: what it is, how long, and its digest."""

    media_type: str
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    size: int = Field(ge=0)
    annotations: dict[str, str] = {}
    artifact_type: str | None = None
    platform: dict[str, Any] | None = None


class Manifest(OciRecord):
    """An image manifest (also what carries any artifact)."""

    schema_version: int = 2
    media_type: str = MANIFEST
    artifact_type: str | None = None
    config: Descriptor
    layers: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] = {}


class Index(OciRecord):
    """A list of manifests: one engine a target."""

    schema_version: int = 2
    media_type: str = INDEX
    artifact_type: str | None = None
    manifests: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] = {}


def encode(record: OciRecord) -> bytes:
    """The bytes that are hashed and pushed; absent fields are left out, not null."""
    return record.model_dump_json(exclude_none=True).encode()


def image_config(diff_ids: Sequence[str]) -> dict[str, object]:
    """The config that makes data an image. Architecture and os are required by the image specification;
    pullers of any platform must take it."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
    }
