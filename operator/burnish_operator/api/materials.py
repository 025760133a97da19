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


_LIMITS = (
    Rule(
        "!has(self.minimum) || self.metric in ['cosine', 'entry'] || self.minimum >= 0.0",
        "minimum is a share between 0 and 1 (dB of sqnr); only cosine and entry may be negative",
    ),
    Rule(
        "!has(self.minimum) || self.metric in ['sqnr', 'entry'] || self.minimum <= 1.0",
        "minimum is at most 1; only sqnr (dB) and entry have other scales",
    ),
    Rule(
        "!has(self.maxDrop) || self.metric in ['max-error', 'entry'] || self.maxDrop <= 1.0",
        "maxDrop is a share, at most 1; only max-error and entry have other scales",
    ),
    Rule(
        "!has(self.minimum) || self.metric != 'cosine' || self.minimum >= -1.0",
        "minimum of cosine is at least -1",
    ),
    Rule(
        "!(has(self.maxDrop) && self.metric == 'sqnr')",
        "sqnr has no drop, for the source has no noise: give minimum, in dB",
    ),
    Rule(
        "!(has(self.minimum) && self.metric in ['cer', 'max-error'])",
        "cer and max-error are better where they are lower: give maxDrop, how far they may rise",
    ),
    Rule(
        "self.metric != 'max-error' || has(self.maxDrop)",
        "max-error has the unit of the outputs: give maxDrop, the largest error that is allowed",
    ),
    Rule(
        "(self.metric == 'entry') == has(self.entryPoint)",
        "metric entry and entryPoint go together: the name of a function in the optimizer's image",
    ),
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
            "by input name, one sample each, or stacked), parquet, .npy files (one sample each), or "
            "pictures with a preprocess.yaml."
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
        *_LIMITS,
    )

    uri: Uri = Field(
        description=(
            "Where the samples lie, such as oci://registry.example/data/pages-labelled:1. Same forms "
            "as the calibration set; accuracy, f1, map and cer also need the array `label`."
        )
    )
    digest: Digest | None = Field(
        default=None, description="The content that you trust, such as sha256:77aa…. Needed with https."
    )
    metric: Metric = Field(
        default=Metric.AGREEMENT,
        description=(
            "Against labels: accuracy, f1 (macro), map (at IoU 0.5), cer (character error rate). Against "
            "the untouched source, without labels: agreement (share of answers that are its own), "
            "top5-agreement, cosine, sqnr (dB), max-error, detection-agreement, text-agreement. entry: a "
            "function in the optimizer's image. docs/accuracy.md tells what each needs."
        ),
    )
    entry_point: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=253)] | None = (
        Field(
            default=None,
            description=(
                "Name of the function of metric entry, in the entry point group burnish.metrics of a package "
                "that the optimizer's image has, such as invoice-totals."
            ),
        )
    )
    max_drop: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description=(
            "How far the metric may get worse than that of the untouched source, such as 0.01 for one "
            "point of a hundred. Engines of lower precision are held to it with 95 % confidence, which "
            "takes at least 1 / maxDrop samples. Where neither maxDrop nor minimum is given, 0.01 holds "
            "(sqnr: 20 dB)."
        ),
    )
    minimum: float | None = Field(
        default=None,
        description="An absolute floor of the metric instead of maxDrop, such as 0.95; sqnr: in dB.",
    )
    secret_ref: SecretRef | None = Field(default=None, description=_PULL_HELP)
