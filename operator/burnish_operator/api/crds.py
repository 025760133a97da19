"""Write the CRDs from the models: `python -m burnish_operator.api.crds [--check] [DIR]`.

DIR (default: the repository's root) receives `crds/*.yaml`, for `kubectl apply -f crds/`, and the same under
a switch in `charts/burnish/templates/crds/`. With `--check` nothing is written: exit 1 where a file differs.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from burnish_operator.api.accelerator_class import AcceleratorClass
from burnish_operator.api.base import GROUP, VERSION, Resource
from burnish_operator.api.optimized_model import OptimizedModel
from burnish_operator.api.schema import Schema, structural_schema, without_defaults


def _column(
    name: str, path: str, description: str, *, wide: bool = False, kind: str = "string"
) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | ({"priority": 1} if wide else {})


_AGE = _column("Age", ".metadata.creationTimestamp", "Time since creation.", kind="date")
_READY = _column(
    "Ready", '.status.conditions[?(@.type=="Ready")].status', "True once all that was asked for is there."
)
_REASON = _column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready, or is not.")
_MODEL_COLUMNS = [
    _READY,
    _REASON,
    _column("Targets", ".status.summary.targetsReady", "Targets that have what the spec asks for, of all."),
    _column("Speedup", ".status.summary.speedup", "Baseline p50 over optimized p50."),
    _column("Precision", ".status.summary.precision", "Precisions that won."),
    _column("Accuracy", ".status.summary.accuracy", "The judged metric, at its worst target."),
    _AGE,
    _column("Savings", ".status.summary.savings", "What is saved over all targets.", wide=True),
    _column("Source", ".spec.source.uri", "The model as given.", wide=True),
    _column("Message", '.status.conditions[?(@.type=="Ready")].message', "What is going on.", wide=True),
]
_CLASS_COLUMNS = [
    _column("Nodes", ".status.nodes", "Ready nodes of this class.", kind="integer"),
    _column(
        "Allocatable", ".status.allocatable", "Accelerators (cores of a CPU class) that pods can ask for."
    ),
    _column("Price/h", ".spec.pricePerHour.amount", "Price of one accelerator for an hour.", kind="number"),
    _column("Currency", ".spec.pricePerHour.currency", "Currency of the price."),
    _AGE,
    _column("Resource", ".spec.resourceName", "Extended resource that pods ask for.", wide=True),
    _column("Product", ".spec.facts.product", "Name of the product.", wide=True),
]
_SCALE = {
    "specReplicasPath": ".spec.serving.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def _schema(kind: type[Resource]) -> Schema:
    schema = structural_schema(kind)
    spec, status = schema["properties"]["spec"], without_defaults(schema["properties"]["status"])
    schema["properties"] = {
        "apiVersion": {"description": f"{GROUP}/{VERSION}.", "type": "string"},
        "kind": {"description": f"{kind.kind}.", "type": "string"},
        "metadata": {"type": "object"},
        "spec": spec,
        "status": status,
    }
    schema["required"] = ["spec"]
    return schema


def _definition(
    kind: type[Resource], *, scope: str, short: str, columns: list[dict[str, Any]], subresources: Schema
) -> dict[str, Any]:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema(kind)},
        "subresources": subresources,
        "additionalPrinterColumns": columns,
    }
    names = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "shortNames": [short],
        "categories": ["burnish"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": scope, "names": names, "versions": [version]},
    }


def definitions() -> tuple[dict[str, Any], ...]:
    """Both CustomResourceDefinitions, as objects to apply."""
    model = _definition(
        OptimizedModel,
        scope="Namespaced",
        short="om",
        columns=_MODEL_COLUMNS,
        subresources={"status": {}, "scale": _SCALE},
    )
    hardware = _definition(
        AcceleratorClass, scope="Cluster", short="ac", columns=_CLASS_COLUMNS, subresources={"status": {}}
    )
    return model, hardware


class _Dumper(yaml.SafeDumper):
    """No anchors: a repeated rule is written out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(definition: dict[str, Any]) -> str:
    """The definition as a file, with the note that it is generated."""
    body = yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return f"# Generated by `python -m burnish_operator.api.crds`: edit the models, not this file.\n{body}"


def to_template(definition: dict[str, Any]) -> str:
    """The definition as a Helm template: under `crds.install`, kept on uninstall while `crds.keep`."""
    text = to_yaml(definition).replace("{{", '{{ "{{" }}')
    metadata = f"metadata:\n  name: {definition['metadata']['name']}\n"
    labelled = f'{metadata}  labels: {{{{- include "burnish.labels" . | nindent 4 }}}}\n'
    kept = "  {{- if .Values.crds.keep }}\n  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}\n"
    return f"{{{{- if .Values.crds.install }}}}\n{text.replace(metadata, labelled + kept)}{{{{- end }}}}\n"


def files() -> dict[str, str]:
    """Path below the root -> content."""
    content: dict[str, str] = {}
    for definition in definitions():
        name = f"{definition['spec']['names']['plural']}.yaml"
        content[f"crds/{name}"] = to_yaml(definition)
        content[f"charts/burnish/templates/crds/{name}"] = to_template(definition)
    return content


def stale(root: Path) -> list[str]:
    """The files that differ from what the models say."""
    return [
        name
        for name, text in files().items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> None:
    """Write every file."""
    for name, text in files().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m burnish_operator.api.crds", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), help="root of the repository")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is stale")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.directory)
        return 0
    for name in (differing := stale(options.directory)):
        sys.stderr.write(f"{name} is stale: run `python -m burnish_operator.api.crds`\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
