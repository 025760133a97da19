"""When it does not get Ready: the conditions, the Events and the logs that explain."""

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.markup import escape

from burnish_demo.commands import tail
from burnish_demo.errors import DemoError
from burnish_demo.kube import Kube, Object
from burnish_demo.watch import MODEL_LABEL

EVENTS = 15
LOG_LINES = 20


def explain(kube: Kube, console: Console, namespace: str, name: str, system_namespace: str) -> None:
    """Print what a person would look up now; a part that cannot be had is left out, with the reason."""
    parts: tuple[tuple[str, Callable[[], list[str]]], ...] = (
        ("Conditions", lambda: condition_lines(kube.find("optimizedmodel", namespace, name) or {})),
        ("Events", lambda: event_lines(kube.list("event", namespace))[-EVENTS:]),
        ("Pods", lambda: pod_lines(kube.list("pod", namespace, {MODEL_LABEL: name}))),
        ("Logs", lambda: list(_logs(kube, namespace, {MODEL_LABEL: name}))),
        ("Operator", lambda: list(_logs(kube, system_namespace, {}))),
    )
    for title, lines in parts:
        console.print(f"\n[bold]{title}[/]")
        try:
            text = "\n".join(lines()) or "none"
        except DemoError as error:
            text = str(error)
        console.print(escape(text), highlight=False, soft_wrap=True)


def condition_lines(model: Object) -> list[str]:
    """`Ready False AccuracyGate: …`, one a condition."""
    return [
        f"{c['type']:<16} {c['status']:<8} {c['reason']}: {c.get('message', '')}"
        for c in model.get("status", {}).get("conditions", [])
    ]


def event_lines(events: Iterable[Object]) -> list[str]:
    """`Warning Failed Pod/x: …`, oldest first."""
    ordered = sorted(events, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or "")
    return [_event_line(event, _involved(event)) for event in ordered]


def _event_line(event: Object, about: Object) -> str:
    message = event.get("message", event.get("note", ""))
    subject = f"{about.get('kind', '')}/{about.get('name', '')}"
    return f"{event['type']:<8} {event.get('reason', '')} {subject}: {message}"


def _involved(event: Object) -> Object:
    found: Object = event.get("involvedObject") or event.get("regarding") or {}
    return found


def pod_lines(pods: Sequence[Object]) -> list[str]:
    """`name on node: phase (why a container waits or ended)`."""
    return [
        f"{p['metadata']['name']} on {p['spec'].get('nodeName', 'no node')}: "
        f"{p['status'].get('phase')} {'; '.join(_whys(p))}".rstrip()
        for p in pods
    ]


def _whys(pod: Object) -> Iterable[str]:
    for condition in pod["status"].get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield condition.get("message", "")
    for container in pod["status"].get("containerStatuses", []):
        for state in ("waiting", "terminated"):
            if detail := container["state"].get(state):
                yield f"{state}: {detail.get('reason', '')} {detail.get('message', '')}".strip()


def _logs(kube: Kube, namespace: str, labels: dict[str, str]) -> Iterable[str]:
    for pod in kube.list("pod", namespace, labels):
        name = pod["metadata"]["name"]
        yield f"--- {namespace}/{name}"
        try:
            yield tail(kube.run("logs", name, f"--namespace={namespace}", f"--tail={LOG_LINES}"))
        except DemoError as error:
            yield f"no log: {tail(error.detail, 1)}"
