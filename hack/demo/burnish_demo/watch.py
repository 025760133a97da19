"""Follow one OptimizedModel until it is Ready, or until it is clear that it will not be."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from burnish_demo.errors import DemoError, DemoTimeout
from burnish_demo.jobs import job_phase, job_seconds, stages
from burnish_demo.kube import Kube, Object

# kubectl costs processor time that the measurements in the Jobs would miss.
POLL_SECONDS = 3.0
STAGE_SECONDS = 9.0
SETTLED = frozenset({"Failed", "Serving", "Published", "Suspended"})
# A source that is wrong stays wrong; but a registry may answer late, and an object may be seen early.
PATIENCE_SECONDS = 15.0
MODEL_LABEL = "burnish.dev/model"
TARGET_LABEL = "burnish.dev/target"
ENGINE_KEY = "burnish.dev/engine-key"


@dataclass(frozen=True)
class TargetView:
    """One target as a person wants to see it. `seconds`: how long its Job has run, or took."""

    name: str
    state: str
    job: str
    job_phase: str
    seconds: float | None
    text: str


def condition(model: Object, kind: str) -> Object:
    """A condition that tells of the object as it is now; {} where there is none yet."""
    generation = model["metadata"]["generation"]
    conditions: list[Object] = model.get("status", {}).get("conditions", [])
    return next(
        (c for c in conditions if c["type"] == kind and c.get("observedGeneration") == generation), {}
    )


def is_ready(model: Object) -> bool:
    """`Ready` is True for the generation that was applied."""
    return condition(model, "Ready").get("status") == "True"


def is_hopeless(model: Object) -> bool:
    """A defect of ours; a source that cannot be used; or all targets settled, one in a failure for good.

    A failure with `retryAt` is not for good.
    """
    if condition(model, "Ready").get("reason") == "InternalError":
        return True
    if condition(model, "SourceResolved").get("status") == "False":
        return True
    targets = model.get("status", {}).get("targets", [])
    for_good = [t for t in targets if t["state"] == "Failed" and "retryAt" not in t.get("lastFailure", {})]
    return bool(for_good) and SETTLED.issuperset(target["state"] for target in targets)


def views(
    model: Object, jobs: Sequence[Object], now: datetime, stages: Mapping[str, str] | None = None
) -> list[TargetView]:
    """One entry a target, from the status, the Jobs, and what the Jobs say themselves (`stages`, by name)."""
    by_name = {job["metadata"]["name"]: job for job in jobs}
    found = []
    for target in model.get("status", {}).get("targets", []):
        job = by_name.get(target.get("job", ""))
        phase = job_phase(job) if job else ""
        found.append(
            TargetView(
                name=target["name"],
                state=target["state"],
                job=target.get("job", ""),
                job_phase=phase,
                seconds=job_seconds(job, now) if job else None,
                text=_text(target, stages or {}) if phase == "Running" else _text(target, {}),
            )
        )
    return found


def _text(target: Object, stages: Mapping[str, str]) -> str:
    told = stages.get(target.get("job", "")) or target.get("progress")
    return str(told or target.get("lastFailure", {}).get("message", ""))


@dataclass
class Watch:
    """Polls one object and shows its targets: through `show` on a terminal, as changed lines off it."""

    kube: Kube
    namespace: str
    name: str
    console: Console
    show: Callable[[RenderableType | None], None] = lambda below: None
    clock: Callable[[], float] = time.monotonic
    _stages: dict[str, str] = field(default_factory=dict)
    _next_stages: float = 0.0

    def until_ready(self, timeout_seconds: float) -> Object:
        """The object once it is Ready.

        Raises: DemoError: a target failed for good.   DemoTimeout: not Ready in time.
        """
        began, hopeless, shown = self.clock(), 0.0, dict[str, str]()
        try:
            while True:
                model, targets = self._look()
                seconds = self.clock() - began
                self.show(_table(targets, seconds))
                if not self.console.is_terminal:
                    self._print_changes(targets, shown, seconds)
                if is_ready(model):
                    return model
                hopeless = hopeless + POLL_SECONDS if is_hopeless(model) else 0.0
                if hopeless > PATIENCE_SECONDS:
                    raise self._failed(model)
                if seconds > timeout_seconds:
                    raise self._late(model, timeout_seconds)
                time.sleep(POLL_SECONDS)
        finally:
            self.show(None)

    def _look(self) -> tuple[Object, list[TargetView]]:
        found = self.kube.list("optimizedmodel,job", self.namespace)
        models = [each for each in found if each["kind"] == "OptimizedModel"]
        model = next((each for each in models if each["metadata"]["name"] == self.name), None)
        if model is None:
            raise DemoError(
                f"OptimizedModel {self.namespace}/{self.name}",
                found="nothing",
                expected="the object that was applied: somebody has deleted it",
                remedy="Run `make demo` again.",
            )
        jobs = [each for each in found if each["kind"] == "Job"]
        if self.clock() >= self._next_stages:
            self._stages, self._next_stages = stages(self.kube, jobs), self.clock() + STAGE_SECONDS
        return model, views(model, jobs, datetime.now(UTC), self._stages)

    def _print_changes(self, targets: Sequence[TargetView], shown: dict[str, str], seconds: float) -> None:
        for target in targets:
            line = f"{target.state} {target.job_phase}"
            if shown.get(target.name) != line:
                shown[target.name] = line
                job = f", Job {target.job} {target.job_phase}" if target.job_phase else ""
                text = f"  {seconds:5.0f} s  {target.name}: {target.state}{job} {target.text}"
                self.console.print(escape(text), highlight=False, soft_wrap=True)

    def _failed(self, model: Object) -> DemoError:
        return DemoError(
            f"OptimizedModel {self.namespace}/{self.name}", found=_readiness(model), expected="Ready=True"
        )

    def _late(self, model: Object, timeout_seconds: float) -> DemoTimeout:
        found = f"after {timeout_seconds:.0f} s {_readiness(model)}"
        return DemoTimeout(f"OptimizedModel {self.namespace}/{self.name}", found=found, expected="Ready=True")


def _readiness(model: Object) -> str:
    ready = condition(model, "Ready")
    if not ready:
        return "no condition: the operator has not looked at it"
    return f"Ready={ready['status']}, {ready['reason']}: {ready.get('message', '')}"


def _table(targets: Sequence[TargetView], seconds: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    for heading in (f"target ({seconds:.0f} s)", "state", "Job", ""):
        table.add_column(heading, no_wrap=True)
    for target in targets:
        took = f" {target.seconds:.0f} s" if target.seconds is not None else ""
        table.add_row(
            escape(target.name),
            f"[{_colour(target.state)}]{target.state}[/]",
            f"{target.job_phase}{took}",
            f"[dim]{escape(target.text)}[/]",
        )
    if not targets:
        table.add_row("[dim]not seen by the operator yet[/]")
    return table


def _colour(state: str) -> str:
    return {"Serving": "green", "Failed": "red", "Building": "yellow", "RollingOut": "cyan"}.get(
        state, "white"
    )
