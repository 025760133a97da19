"""The operator's command: flags, settings, and the process that they start.

python -m burnish_operator            (settings come from BURNISH_* variables; flags go over them)
"""

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from burnish_operator import logs
from burnish_operator.process import operate
from burnish_operator.settings import InvalidSettings, from_environment

_log = logging.getLogger("burnish_operator")
GARBAGE_THRESHOLDS = (50_000, 20, 100)
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def parse(arguments: Sequence[str]) -> dict[str, object]:
    """Flags that were given; those that were not are None."""
    parser = argparse.ArgumentParser(prog="burnish-operator", description="The Burnish operator.")
    parser.add_argument("--optimizer-image")
    parser.add_argument("--serving-image")
    parser.add_argument("--triton-image")
    parser.add_argument("--openvino-model-server-image")
    parser.add_argument("--repository", help="where engines go, host/path")
    parser.add_argument("--watch-namespaces", help="comma-separated; none means all")
    parser.add_argument("--prometheus-url", help="what scrapes serving pods, such as http://prometheus:9090")
    parser.add_argument("--max-jobs", type=int, help="Jobs that may build at once; 0: no limit")
    parser.add_argument("--log-format", choices=("json", "text"))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--metrics-port", type=int)
    parser.add_argument("--health-port", type=int)
    parser.add_argument(
        "--leader-elect",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="write only while holding a Lease (on unless said otherwise)",
    )
    parser.add_argument("--lease-name")
    parser.add_argument("--lease-namespace", help="in a pod its own namespace, unless said otherwise")
    parser.add_argument("--lease-seconds", type=int, help="how long nobody leads after a crash")
    return vars(parser.parse_args(arguments))


def pod_namespace() -> str:
    """The namespace of the pod that this process runs in; "" outside of a pod."""
    return _POD_NAMESPACE.read_text(encoding="utf-8").strip() if _POD_NAMESPACE.is_file() else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return the exit code."""
    try:
        flags = parse(sys.argv[1:] if arguments is None else arguments)
        settings = from_environment(os.environ, flags, pod_namespace())
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    # A mirror is many small objects that stay, and JSON is many more that go, none of them in a cycle.
    # Looking for cycles as often as Python does is an eighth of a burst's processor time, half of a start's.
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    _log.info("starting: optimizer %s, serving %s", settings.optimizer_image, settings.serving_image)
    return asyncio.run(operate(settings))


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stderr.flush()
    # Not `sys.exit`: that waits for the threads of turns that did not end in time.
    os._exit(code)
