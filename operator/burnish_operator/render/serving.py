"""What every server of engines has in common, whoever wrote it: ports, probes, and time to leave."""

from burnish_operator.ports import Object

HTTP_PORT = 8080
GRPC_PORT = 8081
METRICS_PORT = 9090
DRAIN_SECONDS = 20
# Endpoints and load balancers need a moment to forget a pod that still answers.
PRE_STOP_SECONDS = 5
GRACE_SECONDS = PRE_STOP_SECONDS + DRAIN_SECONDS + 5


def port(name: str, number: int) -> Object:
    """A named port of a container."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def scraped(number: int) -> dict[str, str]:
    """Annotations for a Prometheus that discovers pods by them."""
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(number),
        "prometheus.io/path": "/metrics",
    }


def life(ready: str = "/v2/health/ready") -> Object:
    """Probes of a container, and its end.

    Loading and warming up take as long as they take: five minutes before it counts as dead.
    """
    return {
        "startupProbe": _probe("/v2/health/live", period=2, failures=150),
        "readinessProbe": _probe(ready, period=2, failures=2),
        "livenessProbe": _probe("/v2/health/live", period=10, failures=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
    }


def _probe(path: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
