"""The container of NVIDIA's Triton Inference Server.

Source: triton-inference-server/server, `tritonserver --help`.
"""

from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import layout, serving


def container(seen: Observed, target: ResolvedTarget) -> Object:
    """One model, on our ports. What the configuration does not say is not guessed; a broken model ends it."""
    return {
        "name": "server",
        "image": seen.model.spec.serving.image or seen.settings.triton_image,
        "command": ["tritonserver"],
        "args": [
            f"--model-repository={layout.REPOSITORY}",
            "--model-control-mode=none",
            "--disable-auto-complete-config",
            "--exit-on-error=true",
            f"--http-port={serving.HTTP_PORT}",
            f"--grpc-port={serving.GRPC_PORT}",
            f"--metrics-port={serving.METRICS_PORT}",
            f"--exit-timeout-secs={serving.DRAIN_SECONDS}",
        ],
        "ports": [
            serving.port("http", serving.HTTP_PORT),
            serving.port("grpc", serving.GRPC_PORT),
            serving.port("metrics", serving.METRICS_PORT),
        ],
        **layout.server_parts(target),
        **serving.life(f"/v2/models/{seen.model.name}/ready"),
    }
