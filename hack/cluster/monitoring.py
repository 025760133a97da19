"""Configuration of the cluster's Prometheus. Pure.

Pods are found through the API (see `discovery`) and scraped if they carry the usual annotations:
`prometheus.io/scrape: "true"`, `prometheus.io/port`, `prometheus.io/path`, `prometheus.io/scheme`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from certificates import PROMETHEUS
from nodes import CLUSTER_ADDRESS, PROMETHEUS_PORT

META = "__meta_kubernetes_pod"
ANNOTATION = f"{META}_annotation_prometheus_io"


def copied(source: str, target: str) -> dict[str, Any]:
    """Relabelling that copies a label if it is not empty."""
    return {"source_labels": [source], "regex": "(.+)", "target_label": target}


def config(targets: Path, rules: Path) -> str:
    """Prometheus' configuration; JSON is YAML. `targets` is the file that `discovery` keeps."""
    relabel: list[dict[str, Any]] = [
        {"source_labels": [f"{ANNOTATION}_scrape"], "regex": "true", "action": "keep"},
        {"source_labels": [f"{META}_phase"], "regex": "Succeeded|Failed", "action": "drop"},
        copied(f"{ANNOTATION}_path", "__metrics_path__"),
        copied(f"{ANNOTATION}_scheme", "__scheme__"),
        {
            "source_labels": [f"{META}_ip", f"{ANNOTATION}_port"],
            "regex": r"(.+);(\d+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
        },
        {"regex": f"{META}_label_(.+)", "action": "labelmap"},
        copied("__meta_kubernetes_namespace", "namespace"),
        copied(f"{META}_name", "pod"),
        copied(f"{META}_node_name", "node"),
    ]
    pods = {
        "job_name": "pods",
        "file_sd_configs": [{"files": [str(targets)]}],
        "relabel_configs": relabel,
    }
    whole = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "4s", "evaluation_interval": "5s"},
        "rule_files": [str(rules / "*.yaml")],
        "scrape_configs": [pods],
    }
    return json.dumps(whole, indent=1) + "\n"


def command(config_file: Path, data: Path) -> list[str]:
    return [
        "prometheus",
        f"--config.file={config_file}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={CLUSTER_ADDRESS}:{PROMETHEUS_PORT}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]


def access() -> dict[str, Any]:
    """The ClusterRoleBinding that lets Prometheus see pods: the built-in `view` role, which hides Secrets."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": PROMETHEUS.user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": PROMETHEUS.user}],
    }
