"""Every tool on every case: does it answer, does its model run, is it right, how many nodes are left?"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burnish_bench.pool import Worker
from support.onnx_suites import LIGHT, Case

LANES = 2
SECONDS = {LIGHT: 600.0}
DEFAULT_SECONDS = 120.0


@dataclass(frozen=True)
class Outcome:
    """What a tool made of a case.

    verdict: ok, wrong, invalid (ONNX Runtime refuses it), malformed (right, and ONNX's checker refuses it),
        crash (its process died), refused (it raised), timeout; unjudged: an answer came, and ONNX Runtime
        cannot run the source.
    detail: why, or what the tool says of a source that it left unchanged.
    runnable: whether ONNX Runtime can run the source.   nodes: all of them, constants too.
    work: nodes but constants. A tool that gives nothing leaves the source's nodes.
    """

    tool: str
    suite: str
    case: str
    verdict: str
    detail: str
    runnable: bool
    nodes_before: int
    nodes_after: int
    work_before: int
    work_after: int
    seconds: float


class Lane:
    """A tool's worker and a judge's, taking one case at a time."""

    def __init__(self, tool: str, folder: Path) -> None:
        self._tool, self._folder = tool, folder
        self._worker, self._judge = Worker(tool, folder), Worker("judge", folder)

    def __enter__(self) -> "Lane":
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop()
        self._judge.stop()

    def take(self, case: Case) -> Outcome:
        """Rewrite, then judge. The output is deleted: the light zoo alone is 1.3 GB."""
        seconds = SECONDS.get(case.suite, DEFAULT_SECONDS)
        output = self._folder / "output.onnx"
        output.unlink(missing_ok=True)
        made = self._worker.ask({"source": str(case.model), "output": str(output)}, seconds)
        request = {"source": str(case.model), "folder": str(case.folder)}
        written = str(output) if output.is_file() and not _failure(made) else None
        judged = self._judge.ask({**request, "output": written}, seconds)
        if written and _failure(judged):  # the rewritten model broke the judge: is it the source that does?
            judged = _broken(judged, self._judge.ask({**request, "output": None}, seconds))
        output.unlink(missing_ok=True)
        return _outcome(self._tool, case, made, judged, written is not None)


def _failure(answer: dict[str, Any]) -> str:
    kinds = {"crash": "crash", "timeout": "timeout", "error": "refused"}
    return next((verdict for key, verdict in kinds.items() if key in answer), "")


def _broken(judged: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    if _failure(source) or source["verdict"] == "unjudged":
        return {**source, "verdict": "unjudged"}
    return {**source, "verdict": "invalid", "detail": f"running it: {judged}"}


def _outcome(tool: str, case: Case, made: dict[str, Any], judged: dict[str, Any], written: bool) -> Outcome:
    failed = _failure(made) or ("" if written else "refused")
    before = judged.get("before") or {"all": 0, "work": 0}
    verdict = failed or judged.get("verdict", "unjudged")
    after = before if verdict not in {"ok", "malformed", "unjudged"} else judged.get("after") or before
    told = [made.get(key) for key in ("crash", "timeout", "error")]
    return Outcome(
        tool=tool,
        suite=case.suite,
        case=case.name,
        verdict=verdict,
        detail=str(next(filter(None, (*told, judged.get("detail"), made.get("unproven"))), "")),
        runnable=judged.get("verdict", "unjudged") != "unjudged",
        nodes_before=before["all"],
        nodes_after=after["all"],
        work_before=before["work"],
        work_after=after["work"],
        seconds=made.get("seconds", 0.0),
    )


def run(
    tool: str, cases: Sequence[Case], folder: Path, tell: Callable[[Outcome], None], lanes: int = LANES
) -> list[Outcome]:
    """One tool on all cases, two at a time. `tell` hears each outcome, from the lanes' threads."""
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    outcomes: list[Outcome] = []

    def drive(number: int) -> None:
        with Lane(tool, folder / f"{tool}-{number}") as lane:
            while True:
                try:
                    case = waiting.get_nowait()
                except queue.Empty:
                    return
                outcomes.append(lane.take(case))
                tell(outcomes[-1])

    threads = [threading.Thread(target=drive, args=(number,), daemon=True) for number in range(lanes)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.1)
    return sorted(outcomes, key=lambda o: (o.suite, o.case))


def summary(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Counts of verdicts, nodes and seconds over some outcomes of one tool."""
    found = list(outcomes)
    verdicts = [o.verdict for o in found]
    return {
        "cases": len(found),
        **{v: verdicts.count(v) for v in VERDICTS},
        "nodes_before": sum(o.nodes_before for o in found),
        "nodes_after": sum(o.nodes_after for o in found),
        "work_before": sum(o.work_before for o in found),
        "work_after": sum(o.work_after for o in found),
        "seconds": sum(o.seconds for o in found),
    }


VERDICTS = ("ok", "wrong", "invalid", "malformed", "crash", "refused", "timeout", "unjudged")


def as_records(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(outcome) for outcome in outcomes]
