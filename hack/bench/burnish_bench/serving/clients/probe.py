"""Can a server be asked in a mode, and is the answer right?"""

import time

from burnish_bench.serving.answers import close
from burnish_bench.serving.clients.triton import connect
from burnish_bench.serving.modes import Arrays, Mode
from burnish_bench.serving.workload import Workload

POLL_SECONDS = 0.2
NOT_YET = ("UNAVAILABLE", "[503]", "[404]", "Connection")


def reason(port: int, mode: Mode, work: Workload, *, wait_seconds: float) -> str:
    """Why not ("": it can be asked). Waits while the server is still loading."""
    ask = connect(port, mode, work.call)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return _judge(ask(), work)
        except Exception as error:  # noqa: BLE001 (whatever a client raises is told; it has errors of its own)
            said = " ".join(f"{type(error).__name__}: {error}".split())
        if time.monotonic() > deadline or not any(word in said for word in NOT_YET):
            return said
        time.sleep(POLL_SECONDS)


def _judge(found: Arrays, work: Workload) -> str:
    wrong = [n for n, array in work.expected.items() if found[n] is None or not close(found[n], array)]
    return f"wrong answer: {', '.join(wrong)}" if wrong else ""
