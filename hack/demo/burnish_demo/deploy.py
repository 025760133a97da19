"""Put Burnish into a cluster: the cluster itself where it is ours, images, then the chart with Helm."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from burnish_demo.commands import output_of, run_logged
from burnish_demo.errors import DemoError
from burnish_demo.kube import Kube
from burnish_demo.place import CLUSTER_TOOL, REPOSITORY_ROOT, SYSTEM_NAMESPACE, Place

Tell = Callable[[str], None]
IMAGES = ("operator", "optimizer", "serving")
RELEASE = "burnish"
TAG = "demo"
CHART = REPOSITORY_ROOT / "charts" / "burnish"
IMAGE_TOOL = REPOSITORY_ROOT / "hack" / "images" / "build"


def install_cluster(log: Path, tell: Tell) -> None:
    """Build and install what the embedded cluster needs; nothing where all is there."""
    run_logged([sys.executable, CLUSTER_TOOL, "install"], log, tell, timeout_seconds=3600.0)


def start_cluster(name: str, log: Path, tell: Tell) -> None:
    """Bring the embedded cluster up, or find it up."""
    run_logged([sys.executable, CLUSTER_TOOL, "up", "--name", name], log, tell, timeout_seconds=300.0)


def fetch_wheels(log: Path, tell: Tell) -> None:
    """The packages of the images, fetched ahead: the network is idle while Go compiles."""
    program = "import sys; import wheels; wheels.folder('3.11', lambda text: print(text, flush=True))"
    environment = {"PYTHONPATH": str(IMAGE_TOOL.parent)}
    run_logged([sys.executable, "-c", program], log, tell, environment=environment)


def build_images(place: Place, log: Path, tell: Tell) -> dict[str, str]:
    """Build and push what the registry lacks; references by digest, as pods name them, by image."""
    command: list[str | Path] = [
        sys.executable,
        IMAGE_TOOL,
        "--registry",
        place.push_to,
        "--tag",
        TAG,
        "--push",
    ]
    if place.plain_http:
        command.append("--plain-http")
    if base := _base_image(place):
        command += ["--base", base]
    if not place.embedded and docker_builds():
        command += ["--builder", "docker"]
    said = run_logged(command, log, tell, remedy="A registry of your own may want `docker login` first.")
    return image_references(place, said)


def docker_builds() -> bool:
    """Whether docker is here with BuildKit and a daemon that answers; buildah does it otherwise."""
    try:
        output_of(["docker", "buildx", "version"], timeout_seconds=20.0)
        output_of(["docker", "info"], timeout_seconds=20.0)
    except DemoError:
        return False
    return True


def _base_image(place: Place) -> str:
    """`$BASE_IMAGE`; else the embedded cluster's own, as this machine reaches it; else the default."""
    if chosen := os.environ.get("BASE_IMAGE"):
        return chosen
    if not place.embedded:
        return ""
    host = place.push_to.partition("/")[0]
    return output_of([sys.executable, CLUSTER_TOOL, "base-image", "--registry", host]).split()[-1]


def image_references(place: Place, said: str) -> dict[str, str]:
    """Read the JSON object that `hack/images/build` ends with."""
    try:
        found = json.loads(said[said.index("{\n") :])
        references = {name: str(found[name]["reference"]) for name in IMAGES}
    except (ValueError, KeyError) as error:
        raise DemoError(
            str(IMAGE_TOOL), found=f"no list of images ({error})", expected="JSON at the end", detail=said
        ) from error
    return {name: place.for_pods(reference) for name, reference in references.items()}


def install_operator(place: Place, images: Mapping[str, str], log: Path, tell: Tell) -> str:
    """`helm upgrade --install`, and wait until the operator is ready; returns the values that were set."""
    Kube(place.kubectl).namespace(SYSTEM_NAMESPACE)
    values = json.dumps(chart_values(place, images), indent=1)
    file = log.with_suffix(".values.json")
    file.write_text(values + "\n", encoding="utf-8")
    run_logged(
        [
            *place.helm,
            "upgrade",
            "--install",
            RELEASE,
            CHART,
            f"--namespace={SYSTEM_NAMESPACE}",
            f"--values={file}",
            "--wait",
            "--timeout=3m",
        ],
        log,
        tell,
        timeout_seconds=240.0,
        remedy=f"`kubectl get pods,events -n {SYSTEM_NAMESPACE}` shows what the operator waits for.",
    )
    return values


def chart_values(place: Place, images: Mapping[str, str]) -> dict[str, object]:
    """What the demo sets in `charts/burnish/values.yaml`; all else is the chart's default."""
    plain = [host for host in place.plain_http.split(",") if host]
    engines = {"repository": place.engines, "plainHTTP": plain}
    return {"images": dict(images), "engines": engines, "prometheus": {"url": place.prometheus_for_pods}}
