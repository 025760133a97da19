"""What the API server itself says of AcceleratorClasses."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from burnish_operator.api import AcceleratorClass

pytestmark = pytest.mark.integration

Apply = Callable[[dict[str, Any]], dict[str, Any]]
Refused = Callable[[dict[str, Any]], str]
LABELS = {"nvidia.com/gpu.product": "NVIDIA-L4"}


def hardware(name: str = "nvidia-l4-24gb", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": name},
        "spec": {"match": {"matchLabels": LABELS}} | spec,
    }


def test_a_class_reads_back_as_written(apply: Apply) -> None:
    written = hardware(
        facts={"product": "NVIDIA-L4", "memory": "24Gi"},
        pricePerHour={"amount": 0.71, "currency": "EUR"},
        resourceName="nvidia.com/gpu",
        defaults={"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]},
    )
    stored = AcceleratorClass.from_dict(apply(written))
    assert stored.spec == AcceleratorClass.from_dict(written).spec
    assert stored.spec.price_per_hour is not None
    assert stored.spec.price_per_hour.amount == 0.71


def test_a_price_that_people_added_outlives_the_operators_apply(crds: Any) -> None:
    def applied(manager: str, spec: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(hardware("shared") | {"spec": spec})
        output = crds.kubectl(
            "apply", "--server-side", f"--field-manager={manager}", "-o", "json", "-f", "-", stdin=text
        )
        spec_stored: dict[str, Any] = json.loads(output)["spec"]
        return spec_stored

    applied("burnish", {"match": {"matchLabels": LABELS}, "facts": {"product": "NVIDIA-L4"}})
    applied("people", {"match": {"matchLabels": LABELS}, "pricePerHour": {"amount": 0.71}})
    after = applied(
        "burnish", {"match": {"matchLabels": LABELS}, "facts": {"product": "NVIDIA-L4", "driver": "570"}}
    )
    assert after["pricePerHour"] == {"amount": 0.71, "currency": "USD"}
    assert after["facts"] == {"product": "NVIDIA-L4", "driver": "570"}


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (hardware("never-stored", match={"matchLabels": {}}), "should have at least 1 properties"),
        (hardware("never-stored", pricePerHour={"amount": -1}), "should be greater than or equal to 0"),
        (
            hardware("never-stored", pricePerHour={"amount": 1, "currency": "euro"}),
            "Too long: may not be more than 3",
        ),
        (
            hardware("never-stored", pricePerHour={"amount": 1, "currency": "eur"}),
            "a code of three letters, such as EUR",
        ),
        (
            hardware("never-stored", defaults={"tolerations": [{"effect": "NoSchedule"}]}),
            "say so with operator: Exists",
        ),
        (hardware("NVIDIA.L4".lower()), "the name becomes a label"),
    ],
)
def test_a_bad_class_is_refused_with_what_to_do(
    refused: Refused, manifest: dict[str, Any], message: str
) -> None:
    told = refused(manifest)
    assert message in told, told


def test_columns(apply: Apply, crds: Any) -> None:
    apply(hardware("cpu-avx512", pricePerHour={"amount": 0.2}))
    crds.kubectl(
        "patch", "ac", "cpu-avx512", "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": {"nodes": 2, "allocatable": "8"}}),
    )  # fmt: skip
    header, row = crds.kubectl("get", "ac", "cpu-avx512").splitlines()
    assert header.split() == ["NAME", "NODES", "ALLOCATABLE", "PRICE/H", "CURRENCY", "AGE"]
    assert row.split()[:-1] == ["cpu-avx512", "2", "8", "0.2", "USD"]
