"""Fetching: digests, limits, transport; all against a real server on this machine."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from burnish_engine.digest import of_path
from burnish_engine.errors import IntegrityError, InvalidReference, NotFound, Unauthorized
from burnish_optimizer.errors import DownloadFailed, TooLarge
from burnish_optimizer.ingest.download import download
from burnish_optimizer.ingest.material import fetch
from burnish_optimizer.job import Input

CONTENT = b"model bytes " * 1000
STATUS = {"/gone": 404, "/secret": 401, "/broken": 503}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://plain.invalid/model.onnx")
            self.end_headers()
            return
        self.send_response(STATUS.get(self.path, 200))
        self.send_header("Content-Length", str(len(CONTENT) + (1000 if self.path == "/cut.onnx" else 0)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_download_is_whole_and_hashed(server, tmp_path):
    path, digest = download(f"{server}/net.onnx", tmp_path, limit_bytes=1 << 20)
    assert path.name == "net.onnx"
    assert path.read_bytes() == CONTENT
    assert digest == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/gone", NotFound),
        ("/secret", Unauthorized),
        ("/broken", DownloadFailed),
        ("/cut.onnx", DownloadFailed),
    ],
)
def test_answers_that_are_not_the_file(server, tmp_path, path, error):
    with pytest.raises(error):
        download(server + path, tmp_path, limit_bytes=1 << 20)
    assert list(tmp_path.iterdir()) == []


def test_too_large_a_file_is_stopped_and_leaves_nothing(server, tmp_path):
    with pytest.raises(TooLarge, match="more than 100 bytes"):
        download(f"{server}/net.onnx", tmp_path, limit_bytes=100)
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_worth_another_try(tmp_path):
    with pytest.raises(DownloadFailed):
        download("http://127.0.0.1:1/net.onnx", tmp_path, limit_bytes=100)


def test_another_digest_is_refused(server, tmp_path):
    given = Input(f"{server}/net.onnx", digest="sha256:" + "0" * 64)
    with pytest.raises(IntegrityError):
        fetch(given, tmp_path, limit_bytes=1 << 20)


def test_a_path_stays_where_it_is_and_is_checked(tmp_path):
    (tmp_path / "net.onnx").write_bytes(CONTENT)
    path, digest = tmp_path / "net.onnx", of_path(tmp_path / "net.onnx")
    found = fetch(Input(str(path), digest), tmp_path / "scratch", limit_bytes=1)
    assert (found.path, found.digest) == (path, digest)
    with pytest.raises(IntegrityError):
        fetch(Input(str(path), "sha256:" + "0" * 64), tmp_path, limit_bytes=1)


def test_a_path_that_does_not_exist_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        fetch(Input(str(tmp_path / "nothing")), tmp_path, limit_bytes=1)


def test_plain_http_is_for_named_hosts_only(server, tmp_path):
    # Refused by its scheme or unreachable by its name: either way nothing is taken from it.
    with pytest.raises((InvalidReference, DownloadFailed)):
        download(f"{server}/away", tmp_path, limit_bytes=1 << 20, plain_http=())
