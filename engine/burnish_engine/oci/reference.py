"""Image references: `oci://host[:port]/repository[:tag][@sha256:…]`."""

import re
from typing import Self

from burnish_engine.base import Record
from burnish_engine.errors import InvalidReference

SCHEME = "oci://"
# Grammar of the distribution specification, "Pulling manifests".
_HOST = r"(?P<host>[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?)"
_PATH = r"(?P<repository>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
_REFERENCE = re.compile(
    rf"{_HOST}/{_PATH}(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?"
)


class Reference(Record):
    """Where an artifact lies. `digest` wins over `tag` when both are there."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference, with or without the `oci://` in front.

        Raises: InvalidReference: no host, upper case in the repository, a bad tag or digest.
        """
        match = _REFERENCE.fullmatch(text.removeprefix(SCHEME))
        if match is None:
            raise InvalidReference(
                text,
                found="something that is no image reference",
                expected="oci://host[:port]/repository[:tag][@sha256:…]",
                remedy="Write the registry's host, a lower-case repository and a tag or a digest.",
            )
        return cls(**match.groupdict())

    @property
    def identifier(self) -> str:
        """What stands after `/manifests/` in the API: the digest, else the tag, else `latest`."""
        return self.digest or self.tag or "latest"

    @property
    def name(self) -> str:
        """Host and repository, without tag or digest."""
        return f"{self.host}/{self.repository}"

    def at(self, digest: str) -> "Reference":
        """The same repository, pinned."""
        return Reference(host=self.host, repository=self.repository, digest=digest)

    def tagged(self, tag: str) -> "Reference":
        """The same repository, another tag."""
        return Reference.parse(f"{self.name}:{tag}")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{SCHEME}{self.name}{tag}{digest}"
