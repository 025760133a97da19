"""Which limits of the request what serves breaks: the source itself may, where nothing beats it. Pure."""

from burnish_engine.report import Report

BASELINE = "baseline"


def broken_limits(report: Report) -> str:
    """What the baseline, where it serves, takes beyond the request's limits; empty where it keeps them."""
    if report.selected.recipe != BASELINE:
        return ""
    return "; ".join(filter(None, (_memory(report), _latency(report))))


def _memory(report: Report) -> str:
    found, most = report.baseline.peak_memory_bytes, report.request.max_memory_bytes
    if most is None or found <= most:
        return ""
    taken, allowed = (f"{count / (1 << 20):.3g} MiB" for count in (found, most))
    return f"it takes {taken} of memory, where at most {allowed} are allowed"


def _latency(report: Report) -> str:
    goal, latency = report.request.latency, report.baseline.latency_seconds
    known = {50.0: latency.p50, 90.0: latency.p90, 99.0: latency.p99}
    found = known.get(goal.percentile) if goal else None
    if goal is None or found is None or found.value <= goal.seconds:
        return ""
    shown = f"{found.value * 1000:.3g} ms"
    return f"its p{goal.percentile:g} is {shown}, where at most {goal.seconds * 1000:g} ms are asked for"
