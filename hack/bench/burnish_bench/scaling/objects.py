"""What the bench creates."""

from collections.abc import Sequence

from burnish_bench.scaling.api import Object

NAMESPACE = "models"
MODELS = f"/apis/burnish.dev/v1alpha1/namespaces/{NAMESPACE}/optimizedmodels"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
PILOT = "pilot"


def model(name: str, source: str, classes: Sequence[str]) -> Object:
    """One model on these classes, with one replica each."""
    targets = [{"acceleratorClass": each} for each in classes]
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "OptimizedModel",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"source": {"uri": source}, "targets": targets, "serving": {"replicas": 1}},
    }


def models(count: int, source: str, classes: Sequence[str], targets: int) -> list[Object]:
    """Models that share out the classes evenly."""
    return [
        model(f"model-{n:05d}", source, [classes[(n * targets + t) % len(classes)] for t in range(targets)])
        for n in range(count)
    ]


def bare(name: str, template: Object) -> Object:
    """A Deployment as the operator makes it, which nobody owns."""
    labels = {"app": name}
    pods = {**template, "metadata": {"labels": labels}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods},
    }
