"""Labels that Kubernetes itself (or the cloud's own controller) writes. Source: "Well-Known Labels"."""

ARCH = "kubernetes.io/arch"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
