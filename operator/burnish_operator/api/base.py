"""What every API type shares: camelCase on the wire, snake_case in Python, frozen.

`parse` is tolerant where the wire is wide (a field stored by a newer version is ignored) and strict
where a decision hangs on a value (a wrong type is an error that names the field).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from burnish_engine.errors import StalledError

GROUP = "burnish.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class InvalidObject(StalledError):
    """An object that the API server stores, and that cannot be read as its own kind."""


class WireModel(BaseModel):
    """One object of the API; unknown fields are ignored, values are never guessed."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        ser_json_inf_nan="constants",
    )

    def to_dict(self) -> dict[str, Any]:
        """The wire form: camelCase, JSON types only, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Metadata(WireModel):
    """The part of `metadata` that Burnish reads. Times are RFC 3339 strings, as stored."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Resource(WireModel):
    """A top-level object: it has metadata, a kind and a way in from a raw dict."""

    kind: ClassVar[str]
    plural: ClassVar[str]
    metadata: Metadata

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Read a stored object.

        Raises: InvalidObject: with each field that cannot be read, and why.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise InvalidObject(
                f"{cls.kind} {_name_of(raw)}",
                found=_told(error),
                expected=f"an object that the {cls.plural}.{GROUP} CRD accepts",
                remedy="Apply the object again; if it was stored before an upgrade, apply the CRDs first.",
            ) from error

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.metadata.name

    @property
    def is_deleting(self) -> bool:
        """True once the API server was asked to delete the object."""
        return self.metadata.deletion_timestamp is not None


def _name_of(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata") if isinstance(raw, Mapping) else None
    if not isinstance(metadata, Mapping):
        return "without a name"
    return (
        "/".join(str(metadata[part]) for part in ("namespace", "name") if metadata.get(part))
        or "without a name"
    )


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg'][:1].lower()}{item['msg'][1:]}"
        for item in error.errors()
    )
