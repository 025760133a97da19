"""`kubectl burnish` against a kubeconfig and an API server that a test stands in for."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from burnish_cli.cluster import ClusterRefusedError, ClusterUnavailableError
from burnish_cli.kubectl import cli

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
    sent: list[tuple[str, Any]]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        self.send_response(type(self).status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(MODEL).encode())

    def do_PATCH(self) -> None:
        length = int(self.headers["Content-Length"])
        type(self).sent.append((self.headers["Content-Type"], json.loads(self.rfile.read(length))))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    handler = type("Handler", (Api,), {"asked": [], "sent": []})
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


@pytest.mark.parametrize("verb", ["promote", "abort", "retry"])
def test_a_verb_is_an_annotation_with_the_time(api: type[Api], verb: str) -> None:
    result = CliRunner().invoke(cli, ["-n", "team", verb, "net"])
    assert result.exit_code == 0, result.exception
    [(kind, change)] = api.sent
    assert kind == "application/merge-patch+json"
    asked = datetime.fromisoformat(change["metadata"]["annotations"][f"burnish.dev/{verb}"])
    assert timedelta() <= datetime.now(UTC) - asked < timedelta(minutes=5)
    assert "/namespaces/team/optimizedmodels/net" in api.asked[0]


@pytest.mark.parametrize(("verb", "paused"), [("pause", True), ("resume", False)])
def test_pausing_is_a_field_of_the_spec(api: type[Api], verb: str, paused: bool) -> None:
    result = CliRunner().invoke(cli, [verb, "net"])
    assert result.exit_code == 0, result.exception
    assert api.sent[0][1] == {"spec": {"rollout": {"paused": paused}}}
