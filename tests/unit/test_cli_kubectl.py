"""`kubectl burnish` against a kubeconfig and an API server that a test stands in for."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from burnish_cli.kubectl import ClusterRefusedError, ClusterUnavailableError, cli

MODEL = {
    "status": {
        "conditions": [{"type": "Ready", "status": "False", "reason": "Bad", "message": "see [/work] [x]"}],
        "targets": [{"name": "cpu", "state": "Failed", "lastFailure": {"message": "found [/data/net]"}}],
    }
}


class Api(http.server.BaseHTTPRequestHandler):
    """Answers every question alike, and remembers what was asked."""

    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        self.send_response(type(self).status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(MODEL).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    handler = type("Handler", (Api,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        contexts = [
            {"name": name, "context": {"cluster": "c", "user": "u", "namespace": f"space-of-{name}"}}
            for name in ("here", "there")
        ]
        config = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": contexts,
            "current-context": "here",
        }
        path = tmp_path / "config"
        path.write_text(json.dumps(config))
        # The client reads this variable when it is first imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield handler
        server.shutdown()


def test_text_that_looks_like_markup_is_shown_as_it_is(api: type[Api]) -> None:
    result = CliRunner().invoke(cli, ["status", "net"])
    assert result.exit_code == 1, result.exception
    assert "found [/data/net]" in result.output
    assert "Ready=False Bad: see [/work] [x]" in result.output


@pytest.mark.parametrize(
    ("context", "space"), [([], "space-of-here"), (["--context", "there"], "space-of-there")]
)
def test_the_namespace_is_the_named_contexts(api: type[Api], context: list[str], space: str) -> None:
    CliRunner().invoke(cli, [*context, "explain", "net"])
    assert f"/namespaces/{space}/" in api.asked[0]


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, ClusterRefusedError), (500, ClusterUnavailableError), (429, ClusterUnavailableError)],
)
def test_an_api_server_in_trouble_is_worth_another_try(
    api: type[Api], status: int, error: type[Exception]
) -> None:
    api.status = status
    result = CliRunner().invoke(cli, ["explain", "net"])
    assert isinstance(result.exception, error)
