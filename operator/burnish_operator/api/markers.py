"""Annotations that pydantic does not know and the API server does.

They go into `Annotated[...]` beside pydantic's own constraints and end up in the CRD's schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """A CEL rule; `message` says what to do, for it is all that the user sees."""

    rule: str
    message: str

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the rule to whatever schema the annotated type has."""
        schema = handler(core)
        schema.setdefault(VALIDATIONS, []).append(self.to_dict())
        return schema

    def to_dict(self) -> JsonDict:
        """As the CRD spells it."""
        return {"rule": self.rule, "message": self.message}


@dataclass(frozen=True, eq=False)
class Extension:
    """Any other schema keyword, such as a list type."""

    keywords: Mapping[str, Any]

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Lay the keywords over the annotated type's schema."""
        schema = handler(core)
        schema.update(self.keywords)
        return schema


ATOMIC = Extension({"x-kubernetes-list-type": "atomic"})
DATE_TIME = Extension({"format": "date-time"})
INT64 = Extension({"format": "int64"})


def list_map(*keys: str) -> Extension:
    """A list whose items are told apart by these fields: server-side apply merges item by item."""
    return Extension({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


def judged_by(*rules: Rule) -> ConfigDict:
    """The configuration of a model whose fields are judged together."""
    return ConfigDict(json_schema_extra={VALIDATIONS: [rule.to_dict() for rule in rules]})
