"""The question to Prometheus, as one expression: every figure is a series with a label that tells which.

Counters are compared with what they were a window ago. A series that was not there then counts as a whole,
and so does one that is smaller now: the server began anew. (`increase` would not see the first error.)
Which engine a server answers with is told by `burnish_engine_info` of the same scrape.
"""

from burnish_operator.ports import Comparison

FIGURE = "burnish_figure"
_REQUESTS = "burnish_request_duration_seconds"
_AGREEMENT = "burnish_shadow_agreement_ratio"
# What the server could not do, or refused because it had too much to do; not what a client did wrong.
FAILED = "5..|429|UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|INTERNAL|UNAVAILABLE|DATA_LOSS"
ANSWERED = "2..|OK"


def expression(question: Comparison) -> str:
    """All figures of `ports.Samples`."""
    requests = {
        side: _sum(question, digest, f"{_REQUESTS}_count")
        for side, digest in (("canary", question.canary), ("stable", question.stable))
    }
    failed = _sum(question, question.canary, f"{_REQUESTS}_count", code=FAILED)
    figures = {
        "canary_requests": requests["canary"],
        "stable_requests": requests["stable"],
        # No request has failed where no series tells of one, and there are requests.
        "canary_failed": f"({failed} or 0 * {requests['canary']})",
        "canary_p99": _p99(question, question.canary),
        "stable_p99": _p99(question, question.stable),
        "compared": (compared := _sum(question, question.canary, f"{_AGREEMENT}_count")),
        "agreement": f"{_sum(question, question.canary, f'{_AGREEMENT}_sum')} / {compared}",
    }
    return " or ".join(
        f'label_replace({figure}, "{FIGURE}", "{name}", "", "")' for name, figure in figures.items()
    )


def _p99(question: Comparison, digest: str) -> str:
    buckets = _sum(question, digest, f"{_REQUESTS}_bucket", by="by (le) ", code=ANSWERED)
    return f"histogram_quantile(0.99, {buckets})"


def _sum(question: Comparison, digest: str, metric: str, *, by: str = "", code: str = "") -> str:
    labels = {"namespace": question.namespace, "model": question.model}
    chosen = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items())
    answers = f"{metric}{{{chosen}{f',code=~{_quoted(code)}' if code else ''}}}"
    info = f"burnish_engine_info{{{chosen},digest={_quoted(digest)}}}"
    grown = f"(({answers} - {answers} offset {question.window_seconds}s >= 0) or {answers})"
    return f"sum {by}({grown} * on (job, instance) group_left () {info})"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
