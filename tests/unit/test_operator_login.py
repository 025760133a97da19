"""How the operator finds the API server from inside a pod."""

import kopf
import pytest

from burnish_operator.watches import at_address

BY_NAME = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")


@pytest.mark.parametrize(
    ("environment", "server"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "https://10.96.0.1:443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, "https://[fd00::1]:6443"),
        ({}, "https://kubernetes.default.svc"),
    ],
)
def test_the_api_server_is_reached_by_address_where_the_pod_was_told_one(
    environment: dict[str, str], server: str
) -> None:
    found = at_address(BY_NAME, environment)
    assert found.server == server
    assert found.token == "t"
