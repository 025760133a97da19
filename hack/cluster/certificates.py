"""The cluster's certificate authority and everything that it signs, made by openssl.

Fresh keys for every cluster take a third of a second, so none are kept or shared. All keys
are P-256: RSA generation alone would cost more than the rest of the control plane's start.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import output_of

NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
DAYS = "3650"


@dataclass(frozen=True)
class Identity:
    """Who a client certificate says that its bearer is: RBAC reads CN as user, O as group."""

    file: str
    user: str
    group: str | None = None

    @property
    def subject(self) -> str:
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"


ADMIN = Identity("admin", "admin", "system:masters")
CONTROLLERS = Identity("controllers", "system:kube-controller-manager")
SCHEDULER = Identity("scheduler", "system:kube-scheduler")
KUBELET_CLIENT = Identity("kubelet-client", "apiserver-kubelet-client", "system:masters")
PROXY = Identity("proxy", "system:kube-proxy")
PROMETHEUS = Identity("prometheus", "burnish-prometheus")


def node_identity(node: str) -> Identity:
    """What the Node authorizer and NodeRestriction expect of a kubelet."""
    return Identity(f"node-{node}", f"system:node:{node}", "system:nodes")


class Authority:
    """A certificate authority in a folder; file names are the identities' own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, addresses: Sequence[str], identities: Sequence[Identity]) -> None:
        """Make the CA, the service account key, the API server's certificate and the clients' ones."""
        self.folder.mkdir(mode=0o700, parents=True)
        self._request(
            "ca", "/CN=burnish-cluster", ["-addext", "keyUsage=critical,keyCertSign,digitalSignature"]
        )
        output_of(["openssl", "genpkey", *KEY, "-out", str(self.key("service-accounts"))])
        public = ["-pubout", "-out", str(self.public_key("service-accounts"))]
        output_of(["openssl", "pkey", "-in", str(self.key("service-accounts")), *public])
        names = ",".join([*(f"DNS:{name}" for name in NAMES), *(f"IP:{address}" for address in addresses)])
        self._sign("apiserver", "/CN=kube-apiserver", "serverAuth", ["-addext", f"subjectAltName={names}"])
        for identity in identities:
            self._sign(identity.file, identity.subject, "clientAuth", [])

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def public_key(self, name: str) -> Path:
        return self.folder / f"{name}.pub"

    def kubeconfig(self, identity: Identity, server: str) -> str:
        """A self-contained kubeconfig; JSON, which every reader of YAML reads."""
        user = {
            "client-certificate-data": encoded(self.certificate(identity.file)),
            "client-key-data": encoded(self.key(identity.file)),
        }
        cluster = {"server": server, "certificate-authority-data": encoded(self.certificate("ca"))}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "burnish", "cluster": cluster}],
            "users": [{"name": identity.user, "user": user}],
            "contexts": [{"name": "burnish", "context": {"cluster": "burnish", "user": identity.user}}],
            "current-context": "burnish",
        }
        return json.dumps(config, indent=1) + "\n"

    def write_kubeconfig(self, identity: Identity, server: str, path: Path) -> Path:
        """Write a kubeconfig that only its owner can read: it holds a private key."""
        path.touch(mode=0o600)
        path.write_text(self.kubeconfig(identity, server))
        return path

    def _sign(self, name: str, subject: str, usage: str, extra: Sequence[str]) -> None:
        by_ca = ["-CA", str(self.certificate("ca")), "-CAkey", str(self.key("ca"))]
        self._request(name, subject, [*by_ca, "-addext", f"extendedKeyUsage={usage}", *extra])

    def _request(self, name: str, subject: str, extra: Sequence[str]) -> None:
        files = ["-keyout", str(self.key(name)), "-out", str(self.certificate(name))]
        new = ["openssl", "req", "-x509", "-newkey", "ec", *CURVE, "-nodes", "-days", DAYS]
        output_of([*new, "-subj", subject, *files, *extra])


CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")
KEY = ("-algorithm", "EC", *CURVE)


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
