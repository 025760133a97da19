"""Go through each target's Service with real requests, and hold the answers against the source's."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from burnish_demo import samples
from burnish_demo.commands import output_of
from burnish_demo.compare import Comparison, compare, reference_answers
from burnish_demo.kube import reach
from burnish_demo.place import Place

LOAD_SECONDS = 6.0
ASK_TIMEOUT_SECONDS = 180.0


@dataclass(frozen=True)
class Visit:
    """What one target's Service answered, and how many requests it was sent."""

    requests: int
    comparison: Comparison


def visit(
    place: Place,
    namespace: str,
    model: str,
    *,
    services: dict[str, str],
    source: Path,
    data_file: Path,
    tell: Callable[[str], None],
) -> dict[str, Visit]:
    """Ask every Service (`services`: target to Service) all samples, then keep it busy for some seconds."""
    data = samples.read(data_file)
    count = samples.count(data)
    tell("the untouched source answers first")
    reference = reference_answers(source, data, count)
    found = {}
    for target, service in services.items():
        tell(f"{target}: {count} samples, then {LOAD_SECONDS:.0f} s of load")
        answers = source.parent / f"answers-{os.getpid()}.npz"
        try:
            requests = ask(place, namespace, service, model=model, data_file=data_file, answers=answers)
            found[target] = Visit(requests, compare(reference, samples.read(answers), data))
        finally:
            answers.unlink(missing_ok=True)
    return found


def ask(
    place: Place,
    namespace: str,
    service: str,
    *,
    model: str,
    data_file: Path,
    answers: Path,
    seconds: float = LOAD_SECONDS,
) -> int:
    """Run `burnish_demo.ask` where the Service can be reached; returns how many requests it made."""
    with reach(place, namespace, service) as access:
        words = [*access.prefix, sys.executable, "-m", "burnish_demo.ask", access.address, model]
        said = output_of(
            [*words, data_file, answers, f"--seconds={seconds}"],
            environment={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            timeout_seconds=ASK_TIMEOUT_SECONDS,
            remedy="The Service must answer the Open Inference Protocol: see the pod's log.",
        )
    requests: int = json.loads(said.splitlines()[-1])["requests"]
    return requests
