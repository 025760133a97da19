"""What goes into an optimization: the model, the calibration set and the evaluation set."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from burnish_engine.request import Metric
from burnish_operator.api.base import WireModel
from burnish_operator.api.common import Digest, SecretRef, Uri
from burnish_operator.api.markers import Rule, judged_by

_PINNED = Rule(
    "!self.uri.startsWith('http') || has(self.digest)",
    "a file over http(s) must be pinned: add digest: sha256:…, which `curl -sL URI | sha256sum` prints",
)
_PULL_HELP = (
    "Credentials to pull with, for private registries. One Secret may hold the credentials "
    "of many registries; all secretRefs of an object name the same one."
)


class SourceFormat(StrEnum):
    """File formats of models."""

    ONNX = "ONNX"


class Source(WireModel):
    """The model as the user gave it: never modified, pinned by digest."""

    model_config = judged_by(_PINNED)

    uri: Uri = Field(
        description=(
            "Where the model lies: an OCI artifact such as "
            "oci://registry.example/models/page-orientation:1 (a tag is resolved once a change of "
            "the spec, then pinned in status.sourceDigest), or one file over https."
        )
    )
    digest: Digest | None = Field(
        default=None,
        description=(
            "The content that you trust, such as sha256:3f78…; anything else is refused. Needed with "
            "https. Of an OCI artifact it is the digest of the manifest, of a file that of its bytes."
        ),
    )
    format: SourceFormat = Field(default=SourceFormat.ONNX, description="Format of the model: ONNX.")
    secret_ref: SecretRef | None = Field(default=None, description=_PULL_HELP)


class Calibration(WireModel):
    """Inputs like those of production, unlabelled: INT8 takes its ranges from them."""

    model_config = judged_by(_PINNED)

    uri: Uri = Field(
        description=(
            "Where the samples lie, such as oci://registry.example/data/pages:1: .npz files (arrays "
            "by input name, one sample each, or stacked) or parquet."
        )
    )
    digest: Digest | None = Field(
        default=None, description="The content that you trust, such as sha256:9b1c…. Needed with https."
    )
    samples: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="How many samples to use at most, such as 256. Absent: what the optimizer finds enough.",
    )
    secret_ref: SecretRef | None = Field(default=None, description=_PULL_HELP)


class Evaluation(WireModel):
    """How answers are judged. Without labels, agreement with the untouched source judges."""

    model_config = judged_by(
        _PINNED,
        Rule(
            "!(has(self.maxDrop) && has(self.minimum))",
            "give maxDrop (how far the metric may fall) or minimum (an absolute floor), not both",
        ),
        Rule(
            "!has(self.minimum) || self.metric == 'cosine' || self.minimum >= 0.0",
            "minimum of accuracy and agreement is a share between 0 and 1; only cosine may be negative",
        ),
    )

    uri: Uri = Field(
        description=(
            "Where the samples lie, such as oci://registry.example/data/pages-labelled:1. Same forms "
            "as the calibration set; metric accuracy also needs the array `label`."
        )
    )
    digest: Digest | None = Field(
        default=None, description="The content that you trust, such as sha256:77aa…. Needed with https."
    )
    metric: Metric = Field(
        default=Metric.AGREEMENT,
        description=(
            "accuracy: share of samples whose answer is the label. agreement: share whose answer is "
            "that of the untouched source (needs no labels). cosine: mean cosine similarity to the "
            "outputs of the source."
        ),
    )
    max_drop: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description=(
            "How far the metric may fall below that of the untouched source, such as 0.01 for one "
            "point of a hundred. Where neither maxDrop nor minimum is given, 0.01 holds."
        ),
    )
    minimum: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        default=None, description="An absolute floor of the metric instead of maxDrop, such as 0.95."
    )
    secret_ref: SecretRef | None = Field(default=None, description=_PULL_HELP)
