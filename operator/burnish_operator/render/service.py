"""The Service in front of one target's pods."""

from burnish_engine.layout.runtimes import ServingRuntime
from burnish_operator import names
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import pod
from burnish_operator.render.serving import GRPC_PORT, HTTP_PORT


def render_service(
    seen: Observed, target: ResolvedTarget, runtime: ServingRuntime = ServingRuntime.BURNISH
) -> Object:
    """Port 8080 of all ready pods of the target, and 8081 where gRPC is spoken."""
    ports = [_port("http", HTTP_PORT)]
    if runtime is not ServingRuntime.BURNISH:
        ports.append(_port("grpc", GRPC_PORT))
    spec = {"selector": names.selector(seen.model.name, target.name), "ports": ports}
    metadata = pod.metadata(seen, names.workload_name(seen.model.name, target.name), target)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _port(name: str, number: int) -> Object:
    return {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}
