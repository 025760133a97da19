"""Processor time and memory of a process, from the kernel; figures of a histogram, from /metrics."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

Buckets = dict[float, float]
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever held."""
    status = Path(f"/proc/{pid}/status").read_text()
    [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024


def value(text: str, name: str) -> float:
    """A series without labels; 0 where there is none."""
    return sum(
        float(found[3]) for line in text.splitlines() if (found := _SAMPLE.match(line)) and found[1] == name
    )


def buckets(text: str, name: str, wanted: Mapping[str, str] | None = None) -> Buckets:
    """Cumulative counts by upper bound, summed over all series where each label matches its pattern."""
    found: Buckets = {}
    for line in text.splitlines():
        if not line.startswith(f"{name}_bucket"):
            continue
        sample = _SAMPLE.match(line)
        labels = dict(re.findall(r'(\w+)="([^"]*)"', (sample and sample[2]) or ""))
        if sample and all(re.fullmatch(p, labels.get(label, "")) for label, p in (wanted or {}).items()):
            bound = float(labels["le"].replace("+Inf", "inf"))
            found[bound] = found.get(bound, 0.0) + float(sample[3])
    return found


def less(after: Buckets, before: Buckets) -> Buckets:
    """What came between two looks."""
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}


def quantile(found: Buckets, share: float) -> float | None:
    """As PromQL's histogram_quantile: linear within a bucket; None without any observation."""
    bounds = sorted(found)
    total = found[bounds[-1]] if bounds else 0.0
    if not total:
        return None
    below, lower = 0.0, 0.0
    for bound in bounds:
        if found[bound] >= share * total:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (share * total - below) / max(found[bound] - below, 1e-9)
        below, lower = found[bound], bound
    return lower
