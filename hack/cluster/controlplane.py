"""Command lines of the control plane, shared by the full cluster and the light one. Pure.

Whatever the two have in common stands here once; where they differ is a field of `Plane`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from certificates import CONTROLLERS, KUBELET_CLIENT, SCHEDULER, Authority
from golang import Binaries

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_API = "10.96.0.1"  # the ClusterIP of the API: always the first address of the range
POD_RANGE = "10.244.0.0/16"
# The default client limits make a fresh cluster wait 9 s for its first ServiceAccounts instead of 3.
EAGER = ("--kube-api-qps=500", "--kube-api-burst=1000")


@dataclass(frozen=True)
class Plane:
    """Where the control plane of one cluster runs and keeps its data.

    audited: the group whose requests are written to `audit_log`, one line each.
    """

    binaries: Binaries
    root: Path
    bind: str
    advertise: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    service_accounts: bool = True
    audited: str = ""

    @property
    def authority(self) -> Authority:
        return Authority(self.root / "pki")

    @property
    def server(self) -> str:
        return f"https://{self.advertise}:{self.api_port}"

    @property
    def audit_log(self) -> Path:
        return self.root / "logs" / "audit.jsonl"

    @property
    def audit_policy(self) -> Path:
        return self.root / "audit-policy.json"

    def kubeconfig(self, component: str) -> Path:
        return self.root / "pki" / f"{component}.kubeconfig"


def write_kubeconfigs(plane: Plane) -> None:
    """Files by which the controller manager and the scheduler find the API."""
    for identity in (CONTROLLERS, SCHEDULER):
        plane.authority.write_kubeconfig(identity, plane.server, plane.kubeconfig(identity.file))


def etcd(plane: Plane) -> list[str]:
    """etcd without fsync: a cluster that is thrown away needs no durability, and disks are slow."""
    client = f"http://127.0.0.1:{plane.etcd_port}"
    peer = f"http://127.0.0.1:{plane.etcd_peer_port}"
    return [
        str(plane.binaries.program("etcd")),
        f"--data-dir={plane.root / 'etcd'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def apiserver(plane: Plane) -> list[str]:
    """The API server, with the default admission plugins (PodSecurity and policies among them) and RBAC."""
    pki = plane.authority
    loopback = plane.advertise.startswith("127.")
    return [
        str(plane.binaries.program("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{plane.etcd_port}",
        f"--bind-address={plane.bind}",
        f"--secure-port={plane.api_port}",
        f"--advertise-address={plane.advertise}",
        f"--tls-cert-file={pki.certificate('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        f"--client-ca-file={pki.certificate('ca')}",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki.public_key('service-accounts')}",
        f"--service-account-signing-key-file={pki.key('service-accounts')}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--kubelet-client-certificate={pki.certificate(KUBELET_CLIENT.file)}",
        f"--kubelet-client-key={pki.key(KUBELET_CLIENT.file)}",
        "--kubelet-preferred-address-types=InternalIP",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        # The API server refuses to publish a loopback address as the endpoint of its own Service.
        *(["--endpoint-reconciler-type=none"] if loopback else []),
        # Nobody creates the default ServiceAccount without a controller manager: pods would be refused.
        *([] if plane.service_accounts else ["--disable-admission-plugins=ServiceAccount"]),
        *(_audit_flags(plane) if plane.audited else []),
    ]


def _audit_flags(plane: Plane) -> list[str]:
    return [f"--audit-policy-file={plane.audit_policy}", f"--audit-log-path={plane.audit_log}"]


def write_audit_policy(plane: Plane) -> None:
    """Who asked for what and when, of one group alone; a watch is told when it begins and when it ends."""
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": [{"level": "Metadata", "userGroups": [plane.audited]}, {"level": "None"}],
    }
    plane.audit_policy.write_text(json.dumps(policy))


def controller_manager(plane: Plane) -> list[str]:
    """The controller manager; it serves nothing, so it needs no port."""
    pki = plane.authority
    return [
        str(plane.binaries.program("kube-controller-manager")),
        *_client_flags(plane.kubeconfig(CONTROLLERS.file)),
        f"--service-account-private-key-file={pki.key('service-accounts')}",
        f"--root-ca-file={pki.certificate('ca')}",
        f"--cluster-signing-cert-file={pki.certificate('ca')}",
        f"--cluster-signing-key-file={pki.key('ca')}",
        "--use-service-account-credentials",
        # Node networks are ours to choose: a route for each is set up before its kubelet starts.
        "--allocate-node-cidrs=false",
        f"--cluster-cidr={POD_RANGE}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--secure-port=0",
    ]


def scheduler(plane: Plane) -> list[str]:
    return [
        str(plane.binaries.program("kube-scheduler")),
        *_client_flags(plane.kubeconfig(SCHEDULER.file)),
        "--secure-port=0",
    ]


def _client_flags(kubeconfig: Path) -> list[str]:
    """One replica needs no leader election, and a lost lease would end the process."""
    return [f"--kubeconfig={kubeconfig}", "--leader-elect=false", *EAGER]


def registry_config(storage: Path, address: str) -> str:
    """Configuration of Debian's docker-registry; JSON is YAML. Deletes are allowed: retention needs them."""
    config = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    return json.dumps(config, indent=1) + "\n"


def registry(config: Path) -> list[str]:
    return ["docker-registry", "serve", str(config)]
