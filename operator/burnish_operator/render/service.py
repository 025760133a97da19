"""The Service in front of one target's pods."""

from burnish_operator import names
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import pod
from burnish_operator.render.serving import GRPC_PORT, HTTP_PORT


def render_service(seen: Observed, target: ResolvedTarget) -> Object:
    """Ports 8080 (HTTP) and 8081 (gRPC) of all ready pods of the target."""
    ports = [
        {"name": "http", "port": HTTP_PORT, "targetPort": "http", "protocol": "TCP"},
        # Meshes and gateways balance calls instead of connections where they know that it is HTTP/2.
        {
            "name": "grpc",
            "port": GRPC_PORT,
            "targetPort": "grpc",
            "protocol": "TCP",
            "appProtocol": "kubernetes.io/h2c",
        },
    ]
    spec: Object = {"selector": names.selector(seen.model.name, target.name), "ports": ports}
    metadata = pod.metadata(seen, names.workload_name(seen.model.name, target.name), target)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def render_peer(seen: Observed, target: ResolvedTarget) -> Object:
    """The stable pods alone, for a canary to compare its answers with."""
    service = render_service(seen, target)
    track = {names.TRACK: names.STABLE}
    service["metadata"]["name"] = names.beside(seen.model.name, target.name, names.STABLE)
    service["metadata"]["labels"] |= track
    service["spec"]["selector"] |= track
    return service
