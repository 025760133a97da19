"""The order of it all: from a machine, or a cluster, to the table."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from burnish_demo import deploy, figures, fresh, materials, report
from burnish_demo import place as places
from burnish_demo.explain import explain
from burnish_demo.kube import Kube, Object
from burnish_demo.materials import Material
from burnish_demo.models import cache_root
from burnish_demo.place import MODEL_NAMESPACE, REPOSITORY_ROOT, SYSTEM_NAMESPACE, Place
from burnish_demo.publish import publish
from burnish_demo.steps import Steps
from burnish_demo.table import Column
from burnish_demo.visit import Visit, visit
from burnish_demo.watch import ENGINE_KEY, MODEL_LABEL, Watch
from burnish_engine.errors import BurnishError
from burnish_engine.oci.client import RegistryClient

READY_SECONDS = 900.0
MODEL = "page-orientation"


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    context: str | None = None
    registry: str = ""
    prometheus_url: str | None = None
    fresh: bool = False
    cluster: str = "demo"
    reports: Path = Path("burnish-demo")


@dataclass
class Result:
    """What is shown at the end."""

    place: Place
    columns: list[Column]
    pages: dict[str, Path]
    built: dict[str, str]
    reused: dict[str, str]


@dataclass
class Demo:
    """One run. Every step is idempotent: a second run finds what the first one made."""

    options: Options
    steps: Steps
    console: Console
    cache: Path = field(default_factory=cache_root)

    def run(self) -> Result:
        """All steps.   Raises: BurnishError of whichever failed."""
        began = datetime.now(UTC)
        with ThreadPoolExecutor(max_workers=3) as pool:
            made, fetched = pool.submit(self._materials), pool.submit(self._wheels)
            place = self._place()
            published = pool.submit(self._publish, place, made)
            fetched.result()
            images = self._images(place)
            self._operator(place, images)
            digests = published.result()
        self._apply(place, digests[f"models/{MODEL}:1"])
        model = self._follow(place)
        visits = self._visit(place, model, made.result())
        columns = self._figures(place, model, visits)
        return Result(place, columns, self._pages(place, model), *self._origin(place, model, began))

    def _materials(self) -> list[Material]:
        with self.steps.step("models from their wheels, data sets from real pages") as step:
            found = materials.all_materials(self.cache)
            step.note = f"{sum(each.path.stat().st_size for each in found) >> 20} MiB"
            return found

    def _place(self) -> Place:
        options = self.options
        if options.context:
            return places.users_own(options.context, options.registry, options.prometheus_url)
        with self.steps.step("Kubernetes: programs and base image") as step:
            deploy.install_cluster(self._log("install"), step.tell)
        with self.steps.step("Kubernetes: two nodes, registry, Prometheus") as step:
            deploy.start_cluster(options.cluster, self._log("up"), step.tell)
        return places.embedded(places.embedded_facts(options.cluster))

    def _wheels(self) -> None:
        with self.steps.step("Python packages of the images") as step:
            deploy.fetch_wheels(self._log("wheels"), step.tell)

    def _publish(self, place: Place, made: Future[list[Material]]) -> dict[str, str]:
        found = made.result()
        with (
            self.steps.step("models and data into the registry"),
            RegistryClient.from_environment() as client,
        ):
            return publish(client, place.push_to, found)

    def _images(self, place: Place) -> dict[str, str]:
        with self.steps.step("images: operator, optimizer, serving") as step:
            return deploy.build_images(place, self._log("images"), step.tell)

    def _operator(self, place: Place, images: dict[str, str]) -> None:
        with self.steps.step("operator: helm upgrade --install") as step:
            deploy.install_operator(place, images, self._log("helm"), step.tell)

    def _apply(self, place: Place, source_digest: str) -> None:
        with self.steps.step(f"OptimizedModel {MODEL} applied") as step:
            kube = Kube(place.kubectl)
            kube.namespace(MODEL_NAMESPACE)
            if self.options.fresh:
                with registry() as client:
                    forgotten = fresh.forget(place, client, MODEL_NAMESPACE, MODEL, source_digest)
                step.note = f"{forgotten} engines forgotten"
            kube.run("apply", f"--namespace={MODEL_NAMESPACE}", "-f", "-", stdin=example(place, MODEL))

    def _follow(self, place: Place) -> Object:
        kube = Kube(place.kubectl)
        with self.steps.step("optimized on every class, published, rolled out"):
            try:
                watch = Watch(kube, MODEL_NAMESPACE, MODEL, self.console, self.steps.show)
                return watch.until_ready(READY_SECONDS)
            except BurnishError:
                explain(kube, self.console, MODEL_NAMESPACE, MODEL, SYSTEM_NAMESPACE)
                raise

    def _visit(self, place: Place, model: Object, made: list[Material]) -> dict[str, Visit]:
        paths = {each.repository: each.path for each in made}
        services = {t["name"]: t["rollout"]["deployment"] for t in model["status"]["targets"]}
        with self.steps.step("requests through each Service, with tritonclient") as step:
            source, data = paths[f"models/{MODEL}"], paths[materials.PAGES_LABELLED]
            return visit(
                place,
                MODEL_NAMESPACE,
                MODEL,
                services=services,
                source=source,
                data_file=data,
                tell=step.tell,
            )

    def _figures(self, place: Place, model: Object, visits: dict[str, Visit]) -> list[Column]:
        targets = [target["name"] for target in model["status"]["targets"]]
        with self.steps.step("figures read back from Prometheus") as step:
            if not place.prometheus_url:
                step.note = "no PROMETHEUS_URL: read from the pods' own /metrics"
            return figures.columns(place, MODEL_NAMESPACE, MODEL, targets, visits)

    def _pages(self, place: Place, model: Object) -> dict[str, Path]:
        references = {
            target["name"]: place.from_here(target["engine"]["reference"])
            for target in model["status"]["targets"]
        }
        with (
            self.steps.step("reports fetched from the registry"),
            RegistryClient.from_environment() as client,
        ):
            return report.save_pages(client, references, self.options.reports)

    def _origin(self, place: Place, model: Object, began: datetime) -> tuple[dict[str, str], dict[str, str]]:
        """Targets whose engine a Job of this run built, and those whose engine was there: name to key."""
        jobs = Kube(place.kubectl).list("job", MODEL_NAMESPACE, {MODEL_LABEL: MODEL})
        new = {job["metadata"]["annotations"][ENGINE_KEY] for job in jobs if ended_after(job, began)}
        keys = {target["name"]: target["engine"]["key"] for target in model["status"]["targets"]}
        built = {name: key for name, key in keys.items() if key in new}
        return built, {name: key for name, key in keys.items() if key not in new}

    def _log(self, name: str) -> Path:
        return self.cache / "logs" / f"{self.options.cluster}-{name}.log"


def ended_after(job: Object, moment: datetime) -> bool:
    """Whether a Job completed after a moment (times in the cluster have whole seconds)."""
    completed = job.get("status", {}).get("completionTime")
    return completed is not None and datetime.fromisoformat(completed) >= moment.replace(microsecond=0)


def registry() -> RegistryClient:
    """A client with the user's own credentials."""
    return RegistryClient.from_environment()


def example(place: Place, name: str) -> str:
    """An example's text, with the registry's name put in as its comment says."""
    text = (REPOSITORY_ROOT / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    return text.replace("REGISTRY", place.registry)
