"""OptimizedModel: the one object that a platform team writes."""

from typing import ClassVar

from pydantic import Field

from burnish_operator.api.base import Resource
from burnish_operator.api.markers import Rule, judged_by
from burnish_operator.api.spec import OptimizedModelSpec
from burnish_operator.api.status import OptimizedModelStatus

_SECRETS = (
    "[?self.spec.source.?secretRef.?name, ?self.spec.?calibration.?secretRef.?name, "
    "?self.spec.?evaluation.?secretRef.?name, ?self.spec.?registry.?secretRef.?name]"
)
_ONE_SECRET = Rule(
    f"{_SECRETS}.all(a, {_SECRETS}.all(b, a == b))",
    (
        "all secretRefs must name the same Secret: put the credentials of every registry into "
        "one dockerconfigjson"
    ),
)


class OptimizedModel(Resource):
    """A model, optimized for every kind of accelerator in the cluster, and served."""

    model_config = judged_by(
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 63",
            "name it in at most 63 lower-case letters, digits and hyphens, a letter first: "
            "the name becomes that of a Service",
        ),
        _ONE_SECRET,
    )

    kind: ClassVar[str] = "OptimizedModel"
    plural: ClassVar[str] = "optimizedmodels"
    spec: OptimizedModelSpec = Field(
        description="What to optimize, how it is judged, for which hardware, and how it serves."
    )
    status: OptimizedModelStatus = Field(
        default=OptimizedModelStatus(),
        description="What Burnish saw and did. `kubectl describe om NAME` tells it.",
    )

    @property
    def namespace(self) -> str:
        """`metadata.namespace`."""
        return self.metadata.namespace
