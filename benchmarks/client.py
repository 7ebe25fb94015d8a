"""The visitors' HTTP client beside Locust's two: requests a core-second of the generator.

Compared: the client of loadtests/, FastHttpUser and HttpUser. Fair, because each is a stock Locust
process with 16 users that wait for their answers, posts JSON that no other request has to the same
server over connections that stay open, has a connect and a read timeout, and feeds Locust's own
statistics. Turns are short and interleaved, so that whatever else the machine does meets all three
alike. CPU time of the generator's process, not of the server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from benchmarks.echo import echo
from benchmarks.stand import Figures, show
from harness.tether import tethered

NAMES: Final = {
    "ours": "ours_per_core_s",
    "fast": "fast_http_user_per_core_s",
    "plain": "http_user_per_core_s",
}
TURNS: Final = 3
TURN_S: Final = 2.0


def measure(size: float) -> Figures:
    """Requests a core-second of each, and ours beside the others."""
    asked, used, failed = dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0.0), 0.0
    with echo() as server:
        for _ in range(TURNS if size >= 1 else 1):
            for kind in NAMES:
                turn = drive(kind, server.url, max(TURN_S * size, 0.2))
                asked[kind] += turn["requests"]
                used[kind] += turn["cpu_s"]
                failed += turn["failures"]
    if failed:
        raise RuntimeError(f"{failed:.0f} of {sum(asked.values()):.0f} requests failed")
    rates = {kind: asked[kind] / used[kind] for kind in NAMES}
    return {
        **{NAMES[kind]: rate for kind, rate in rates.items()},
        "ratio": rates["ours"] / rates["fast"],
        "ratio_to_http_user": rates["ours"] / rates["plain"],
        "requests": int(sum(asked.values())),
    }


def drive(kind: str, url: str, seconds: float) -> dict[str, float]:
    """One turn of one generator, in a process of its own."""
    command = [sys.executable, "-P", "-m", "benchmarks.generators", kind, url, f"{seconds:g}"]
    answer = subprocess.run(tethered(command), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


if __name__ == "__main__":
    show(measure)
