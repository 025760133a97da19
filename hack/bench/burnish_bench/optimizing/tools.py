"""The tools, as data: what each is, who builds it, how it runs."""

from dataclasses import dataclass, field

BASELINE = "ort"
BF16 = {"INFERENCE_PRECISION_HINT": "bf16"}


@dataclass(frozen=True)
class Tool:
    """One column of the table.

    builder: a function of `peers.py` that builds it ("": the source itself runs).   of: the tool whose
        result it runs, with other properties.   backend, properties: as `burnish_runtime` takes them.
    drop, cosine: ours: what it may lose of the task metric, or the floor of the cosine.
    """

    name: str
    title: str
    builder: str = ""
    of: str = ""
    backend: str = "onnxruntime"
    properties: dict[str, str] = field(default_factory=dict)
    drop: float | None = None
    cosine: float | None = None

    @property
    def is_ours(self) -> bool:
        """Whether `burnish optimize` makes it."""
        return self.drop is not None or self.cosine is not None


MAX_DROP, MIN_COSINE = 0.01, 0.999
PEERS: tuple[Tool, ...] = (
    Tool(BASELINE, "ORT defaults"),
    Tool("onnxslim", "onnxslim + ORT", builder="slim"),
    Tool("ort-dynamic", "ORT dynamic INT8", builder="dynamic"),
    Tool("ort-static", "ORT static QDQ INT8", builder="static"),
    Tool("openvino-f32", "OpenVINO f32", backend="openvino"),
    Tool("openvino-bf16", "OpenVINO bf16", backend="openvino", properties=BF16),
    Tool("nncf", "NNCF INT8", builder="nncf_int8", backend="openvino"),
    Tool("nncf-bf16", "NNCF INT8 + bf16", of="nncf", backend="openvino", properties=BF16),
)
OURS: tuple[Tool, ...] = (
    Tool("burnish-task", "Burnish, drop ≤ 1 %", drop=MAX_DROP),
    Tool("burnish-cosine", "Burnish, cosine ≥ 0.999", cosine=MIN_COSINE),
)
TOOLS = (*PEERS, *OURS)
