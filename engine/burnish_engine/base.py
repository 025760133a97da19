"""The base of every record that is written to disk, a registry or a status."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Immutable, and closed: an unknown field is a mistake, not an extension."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
