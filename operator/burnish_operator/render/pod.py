"""What the pods of Jobs and Deployments have in common: security, scratch space, credentials, placement."""

from burnish_operator import names
from burnish_operator.api import parse_quantity
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object

USER = 65532
WORK = "/work"
CREDENTIALS = "/etc/burnish/docker"
WORK_SIZE = "8Gi"
# What a container says in its last breath.
OUTCOME = "/dev/termination-log"


def secret_of(seen: Observed) -> str:
    """Name of the Secret with registry credentials: the model's, else the operator's, else none."""
    return seen.model.spec.secret_name or seen.settings.registry_secret


def pod_security() -> Object:
    """What Pod Security level `restricted` asks of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Object:
    """What level `restricted` asks of a container, and a read-only root besides."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def environment(seen: Observed) -> list[Object]:
    """Variables of every pod; those without a value are left out."""
    values = {
        "HOME": WORK,
        "TMPDIR": WORK,
        "BURNISH_PLAIN_HTTP": seen.settings.plain_http,
        "DOCKER_CONFIG": CREDENTIALS if secret_of(seen) else "",
    }
    return [{"name": name, "value": value} for name, value in values.items() if value]


def mounts(seen: Observed) -> list[Object]:
    """Volume mounts of every container."""
    found: list[Object] = [{"name": "work", "mountPath": WORK}]
    if secret_of(seen):
        found.append({"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True})
    return found


def volumes(seen: Observed) -> list[Object]:
    """Volumes of every pod: bounded scratch space and, where one is named, the credentials."""
    found: list[Object] = [{"name": "work", "emptyDir": {"sizeLimit": WORK_SIZE}}]
    secret = secret_of(seen)
    if secret:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        found.append({"name": "credentials", "secret": {"secretName": secret, "items": items}})
    return found


def pull_secrets(seen: Observed) -> Object:
    """The same credentials for the pods' images: a private registry often holds both."""
    secret = secret_of(seen)
    return {"imagePullSecrets": [{"name": secret}]} if secret else {}


def placement(target: ResolvedTarget) -> Object:
    """Exactly the nodes of the class: these labels, and none that would make it another class."""
    wanted: list[Object] = [
        {"key": label, "operator": "In", "values": [value]}
        for label, value in sorted(target.match_labels.items())
    ]
    wanted += [{"key": label, "operator": "DoesNotExist"} for label in target.absent]
    terms = {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
    found: Object = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}
    if target.tolerations:
        found["tolerations"] = [toleration.to_dict() for toleration in target.tolerations]
    return found


def placement_of(pod: Object) -> tuple[dict[str, str], tuple[str, ...]]:
    """Of a pod spec that `placement` made: the labels that a node must have, and those that it must not."""
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    expressions = required["nodeSelectorTerms"][0]["matchExpressions"]
    wanted = {each["key"]: each["values"][0] for each in expressions if each["operator"] == "In"}
    return wanted, tuple(each["key"] for each in expressions if each["operator"] == "DoesNotExist")


def resources(target: ResolvedTarget, memory_factor: int = 1) -> Object:
    """Requests and limits; with a factor, that many times the memory."""
    found = target.resources.to_dict()
    for part in found.values():
        if "memory" in part and memory_factor != 1:
            part["memory"] = _times(part["memory"], memory_factor)
    return {name: part for name, part in found.items() if part}


def _times(quantity: str, factor: int) -> str:
    return str(int(parse_quantity(quantity) * factor))


def metadata(seen: Observed, name: str, target: ResolvedTarget) -> Object:
    """Name, labels and owner of an object of a model."""
    owner = seen.model.metadata
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": names.labels(owner.name, target.name),
        "ownerReferences": [
            {
                "apiVersion": "burnish.dev/v1alpha1",
                "kind": "OptimizedModel",
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
            }
        ],
    }
