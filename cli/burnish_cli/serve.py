"""`burnish serve`: answer inference requests with an engine."""

from pathlib import Path

import click

from burnish_cli.pull_options import CACHE_OPTION, verify_key_option
from burnish_serving import settings
from burnish_serving.protocol.decode import MAX_JSON_BYTES
from burnish_serving.server import run
from burnish_serving.shadow.agreement import ShadowMetric


@click.command()
@click.argument("engines", metavar="[NAME=]ENGINE...", nargs=-1, required=True)
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104
@click.option("--http-port", default=8080, show_default=True, help="Port of the inference API (0: any).")
@click.option("--grpc-port", default=8081, show_default=True, help="Port of the same API over gRPC (0: any).")
@click.option("--metrics-port", default=9090, show_default=True, help="Port of /metrics (0: any).")
@click.option("--model-name", help="Name in URLs and metrics. [default: the engine's]")
@CACHE_OPTION
@click.option("--cache-max-bytes", type=click.IntRange(1), help="What they may take. [default: no limit]")
@verify_key_option("only engines signed by one of them are loaded")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads. [default: as it was measured]")
@click.option(
    "--drain-seconds", default=20.0, show_default=True, help="Time for requests that run, after SIGTERM."
)
@click.option(
    "--max-body-bytes", default=settings.MAX_BODY_BYTES, show_default=True, help="Largest request body."
)
@click.option(
    "--max-json-bytes", default=MAX_JSON_BYTES, show_default=True, help="Largest JSON of a request."
)
@click.option(
    "--max-inflight-bytes",
    default=settings.MAX_INFLIGHT_BYTES,
    show_default=True,
    help="Bodies of all requests in memory at once; more are refused.",
)
@click.option(
    "--max-connections", default=settings.MAX_CONNECTIONS, show_default=True, help="Connections at once."
)
@click.option("--max-pending", default=64, show_default=True, help="Requests at once; more are refused.")
@click.option(
    "--instances", type=click.IntRange(1, 1024), help="Runs at once. [default: as the CPU quota has room for]"
)
@click.option(
    "--max-batch",
    type=click.IntRange(min=1),
    help="Rows of a batch; 1: no batching. [default: what the engine proved]",
)
@click.option(
    "--max-queue-delay-ms",
    type=click.FloatRange(min=0),
    help="Longest wait for others to share a run; 0: none. [default: as it pays and the goal allows]",
)
@click.option(
    "--latency-goal-ms",
    type=click.FloatRange(min=0, min_open=True),
    help="What an answer may take; later ones are refused (429). [default: the engine's goal]",
)
@click.option(
    "--batch-audit-share",
    type=click.FloatRange(0, 1),
    default=0.001,
    show_default=True,
    help="Share of batches compared with single runs.",
)
@click.option("--access-log", is_flag=True, help="One log line a request.")
@click.option(
    "--access-log-sample",
    default=1.0,
    show_default=True,
    help="Share of requests that get a line, 0 to 1. Errors of the server always do.",
)
@click.option(
    "--repository-control", is_flag=True, help="Let requests load and unload engines (/v2/repository)."
)
@click.option("--swap-from", multiple=True, help="host/repository to load from by request, beside ENGINE's.")
@click.option("--shadow", metavar="URL", help="Ask this stable peer too, off the request path, and compare.")
@click.option("--shadow-share", default=0.01, show_default=True, help="Share of requests compared.")
@click.option(
    "--shadow-metric",
    type=click.Choice([metric.value for metric in ShadowMetric]),
    callback=lambda _context, _option, value: ShadowMetric(value) if value else None,
    help="How answers are compared. [default: nearest to what the engine was judged by]",
)
@click.option("--shadow-minimum", default=0.99, show_default=True, help="Agreement that is enough.")
@click.option(
    "--outcome", type=click.Path(path_type=Path), help="Write why the server could not go on, as JSON."
)
def serve(engines: tuple[str, ...], **options: object) -> None:
    """Answer requests (Open Inference Protocol v2) with ENGINE, a folder or oci://…@sha256:….

    Several are served side by side, by their names. Ready when all are pulled, verified, loaded, warmed up
    and gave the answer that they gave where they were made. On SIGTERM: not ready, drain, exit 0.
    """
    first, *others = engines
    run(settings.ServeSettings(engine=first, further_engines=tuple(others), **options))  # type: ignore[arg-type]
