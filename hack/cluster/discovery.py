"""Find pods for Prometheus: Debian's build has no Kubernetes service discovery.

This stands in for it. It writes what Prometheus would have found, under the same meta labels,
to a file that Prometheus watches, so the relabelling rules are those of any cluster.
"""

from __future__ import annotations

import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from certificates import PROMETHEUS, Authority

POLL_SECONDS = 2.0
META = "__meta_kubernetes"


def label_name(key: str) -> str:
    """A Kubernetes key as a Prometheus label name.

    >>> label_name("prometheus.io/scrape")
    'prometheus_io_scrape'
    """
    return re.sub(r"[^a-zA-Z0-9_]", "_", key)


def target(pod: Any) -> dict[str, Any]:
    """One pod as an entry of a `file_sd` file; its first container port is the default address."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod["status"]
    ports = [port["containerPort"] for each in spec["containers"] for port in each.get("ports", [])]
    labels = {
        f"{META}_namespace": metadata["namespace"],
        f"{META}_pod_name": metadata["name"],
        f"{META}_pod_uid": metadata["uid"],
        f"{META}_pod_ip": status["podIP"],
        f"{META}_pod_phase": status["phase"],
        f"{META}_pod_node_name": spec["nodeName"],
    }
    for kind in ("label", "annotation"):
        for key, value in (metadata.get(f"{kind}s") or {}).items():
            labels[f"{META}_pod_{kind}_{label_name(key)}"] = value
    return {"targets": [f"{status['podIP']}:{(ports or [80])[0]}"], "labels": labels}


def targets(pods: Iterable[Any]) -> str:
    """The file for all pods that have an address, in a stable order: no change, no reload."""
    placed = [pod for pod in pods if pod["status"].get("podIP") and pod["spec"].get("nodeName")]
    found = sorted((target(pod) for pod in placed), key=lambda each: str(each["labels"][f"{META}_pod_uid"]))
    return json.dumps(found, indent=1)


def main(server: str, pki: Path, file: Path) -> None:
    """Poll the API and rewrite `file` when the pods change, for ever."""
    authority = Authority(pki)
    context = ssl.create_default_context(cafile=str(authority.certificate("ca")))
    context.load_cert_chain(authority.certificate(PROMETHEUS.file), authority.key(PROMETHEUS.file))
    written = ""
    while True:
        # Version 0 is answered out of the API server's cache: no load on etcd.
        url = f"{server}/api/v1/pods?resourceVersion=0"
        try:
            with urllib.request.urlopen(url, context=context, timeout=10) as answer:
                content = targets(json.load(answer)["items"])
        except (OSError, urllib.error.HTTPError) as error:
            print(f"GET {url}: {error}", flush=True)
        else:
            if content != written:
                partial = file.with_suffix(".partial")
                partial.write_text(content)
                partial.replace(file)
                written = content
        time.sleep(POLL_SECONDS)
