"""The container of OpenVINO Model Server, whose metrics are on its HTTP port.

Source: openvinotoolkit/model_server, "Model Server Parameters", "Metrics".
"""

from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import layout, serving


def container(seen: Observed, target: ResolvedTarget) -> Object:
    """One model, on our ports. Nothing changes under it, so it does not watch its files."""
    return {
        "name": "server",
        "image": seen.model.spec.serving.image or seen.settings.openvino_model_server_image,
        "command": ["/ovms/bin/ovms"],
        "args": [
            *("--config_path", f"{layout.REPOSITORY}/config.json"),
            *("--rest_port", str(serving.HTTP_PORT)),
            *("--port", str(serving.GRPC_PORT)),
            *("--file_system_poll_wait_seconds", "0"),
        ],
        "ports": [serving.port("http", serving.HTTP_PORT), serving.port("grpc", serving.GRPC_PORT)],
        **layout.server_parts(target),
        **serving.life(f"/v2/models/{seen.model.name}/ready"),
    }
