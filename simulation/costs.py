"""What each process spends on what: CPU costs by counting, at the pace that the machine had.

Each is a non-negative least squares of a process's CPU seconds on counts of what it did. Where low
levels can't tell two costs apart, what is usual stands in for what they don't tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from simulation.evidence import Fit, Ratio, Run, Window, fit
from simulation.pace import DATABASE, GENERATOR, SERVICE, TWIN, WORKER

#: An errand of the worker process (a claim, a batch of marks), as a share of a flush; as ROW_SHARE.
ERRAND_SHARE: Final = 1.25
#: A read's database CPU as a share of a flush's: one indexed row and no commit.
READ_SHARE: Final = 0.25
#: A row's database CPU as a share of a flush's. Low levels can't tell the two apart (batches hold
#: one row there); chosen on saturated runs of a development set, never on those that are reported.
ROW_SHARE: Final = 0.3
#: What a wake-up of the service's loop usually costs, in warm requests, and one of the generator's.
#: Chosen on the records of docs/decisions/0007; where levels tell it otherwise, they win.
WAKE_RATIO: Final = 0.65
GENERATOR_WAKE_RATIO: Final = 0.3


def loop_costs(held: Sequence[Window]) -> Fit:
    """Loop CPU by request and by wake-up, the CPU of flushes apart.

    A loop that wakes finds cold caches, so a wake-up costs more than its system calls: the slices
    that follow are slower. All of that is in its cost, and a request's is that of a warm loop.
    At low levels both grow together: how far they can't be told apart, they stand as usual.
    """
    return fit(
        [
            window.cpu("service", SERVICE)
            - window.cpu("service", SERVICE, "surge_flush_cpu_seconds_total")
            for window in held
        ],
        {
            "request": [window.requests for window in held],
            "wake": [window.total("service", "surge_loop_wakeups_total") for window in held],
        },
        Ratio("wake", "request", WAKE_RATIO),
    )


def flush_costs(held: Sequence[Window]) -> Fit:
    """Loop CPU of preparing a flush, and of a row in it."""
    return fit(
        [window.cpu("service", SERVICE, "surge_flush_cpu_seconds_total") for window in held],
        {
            "flush": [window.total("service", "surge_flushes_total") for window in held],
            "row": [window.total("service", "surge_batch_rows_sum") for window in held],
        },
    )


def database_costs(held: Sequence[Window], busiest: Run) -> Fit:
    """Database CPU by flush, at the busiest steady level; rows, reads, errands as shares of it.

    A database that is seldom asked spends more on each flush, since its processes sleep between
    them: that vanishes under load.
    """
    name = "surge_database_cpu_seconds_total"
    used = [window.cpu("worker", DATABASE, name) for window in held]
    found = _at_the_busiest("flush", held, busiest, used, list(map(transactions, held)))
    shares = {"row": ROW_SHARE, "read": READ_SHARE, "errand": ERRAND_SHARE}
    rest = {name: share * found["flush"] for name, share in shares.items()}
    return Fit({**found.costs, **rest}, found.residual)


def transactions(window: Window) -> float:
    """What the database did, in flushes.

    What the worker process asks of it are errands: the commits that are neither flushes nor reads.
    """
    rows = window.total("service", "surge_batch_rows_sum")
    flushes = window.total("service", "surge_flushes_total")
    commits = window.total("worker", "surge_database_commits_total")
    errands = max(0.0, commits - flushes - window.reads)
    return flushes + ROW_SHARE * rows + READ_SHARE * window.reads + ERRAND_SHARE * errands


def worker_costs(held: Sequence[Window], idle: float, busiest: Run) -> Fit:
    """Worker CPU by job, a mail or a check, at the busiest steady level.

    They come in step, and can't be told apart. It finds its jobs in bursts, so that what it costs
    to wake is shared by more of them the more there are, and by most of them in pulses.
    """
    used = [window.cpu("worker", WORKER) - idle * window.seconds for window in held]
    return _at_the_busiest("job", held, busiest, used, [w.mails + w.checks for w in held])


def _at_the_busiest(
    name: str,
    held: Sequence[Window],
    busiest: Run,
    used: Sequence[float],
    done: Sequence[float],
) -> Fit:
    """One cost, of one level. The residual is over all: that of the one says nothing."""
    there = [number for number, window in enumerate(held) if window.run is busiest]
    cost = fit([used[n] for n in there], {name: [done[n] for n in there]})[name]
    errors = [
        cost * count / cpu_s - 1.0 for cpu_s, count in zip(used, done, strict=True) if cpu_s > 0
    ]
    return Fit({name: cost}, float(np.sqrt(np.mean(np.square(errors)))) if errors else math.nan)


def generator_costs(held: Sequence[Window]) -> Fit:
    """CPU of the load generator by request and by wake-up."""
    return fit(
        [
            window.cpu("generator", GENERATOR, "surge_generator_cpu_seconds_total")
            for window in held
        ],
        {
            "request": [window.generated for window in held],
            "wake": [window.total("generator", "surge_generator_wakeups_total") for window in held],
        },
        Ratio("wake", "request", GENERATOR_WAKE_RATIO),
    )


def twin_cost_s(held: Sequence[Window], source: str, count: Callable[[Window], float]) -> float:
    """CPU of a twin, seconds for each thing that it does."""
    done = {"one": [count(window) for window in held]}
    return fit([window.cpu(source, TWIN) for window in held], done)["one"]
