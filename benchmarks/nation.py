"""The nation at full size: prakerja-2020, 3.73 million people in 65 hours, in one process.

Compared: nothing with a peer; seconds, memory and events of the question that the project is
about, beside its people and attempts. Fair, because nothing is left out: the national deployment,
the scenario's own reading and seed, the record open until 24 hours after the last arrival.
``wall_s`` is all of it: drawing the arrivals, walking every visit, folding the result. Compiling
the engine is done before, in a process of its own, whose memory is none of the projection's.
``rss_before_mb`` is what interpreter, libraries and compiled code take; the difference is the
projection's, ``bytes_per_person`` of it.

``threads_speedup``: how much sooner two replications of a tenth of the people are done on two
threads than one after the other; 2 where nothing is shared, and a second core is free. The median
of three such comparisons. ``threads_cpu_ratio``: CPU seconds side by side over those one after the
other; what is above 1 the two take from each other's cache and memory, and two threads can't be
more than 2 / ``threads_cpu_ratio`` times as fast. It hardly depends on who else uses the machine.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from statistics import median
from time import perf_counter, process_time
from typing import Final

from benchmarks.costs import model_for
from benchmarks.stand import Figures, show
from simulation.deployment import load_deployment
from simulation.projection import Question, Replication, replicate
from workload.manifest import Bending
from workload.scenario import load_scenario

SHARE_TO_COMPILE: Final = 0.001
SHARE_FOR_THREADS: Final = 0.1
COMPARISONS: Final = 3


def measure(size: float) -> Figures:
    """What the whole of it takes."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        apart.submit(_compile).result()
    _compile()  # reads what was compiled
    source, seed = _source_and_seed()
    before, began, worked = _peak_rss_mb(), perf_counter(), process_time()
    found = replicate(_question(size), seed)
    wall_s, cpu_s = perf_counter() - began, process_time() - worked
    peak_mb = _peak_rss_mb()
    speedup, cpu_ratio = _two_threads(_question(SHARE_FOR_THREADS * size), seed)
    return {
        "people": found.people,
        "attempts": found.attempts,
        "events": found.events,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "attempts_per_s": found.attempts / wall_s,
        "events_per_s": found.events / wall_s,
        "peak_rss_mb": peak_mb,
        "rss_before_mb": before,
        "bytes_per_person": (peak_mb - before) * 1e6 / found.people,
        "threads_speedup": speedup,
        "threads_cpu_ratio": cpu_ratio,
        "lost": found.lost,
        "history_sha256": found.digest[:16],
        "model": source,
    }


def _source_and_seed() -> tuple[str, int]:
    scenario = load_scenario("prakerja-2020")
    return model_for(scenario)[0], scenario.seed


def _question(share: float) -> Question:
    """The nation's, of a share of the people."""
    scenario = load_scenario("prakerja-2020")
    window, people = (0.0, scenario.curve.duration_s), scenario.curve.population
    bending = Bending(window, population=people * share if share != 1 else None)
    return Question(scenario, model_for(scenario)[1], load_deployment("national"), bending)


def _compile() -> None:
    """Walk a few, so that the engine is compiled, or read from where it is kept."""
    replicate(_question(SHARE_TO_COMPILE), _source_and_seed()[1])


def _two_threads(question: Question, seed: int) -> tuple[float, float]:
    """Of two replications, one after the other and on two threads: how many times the former's
    wall-clock seconds are the latter's, and the latter's CPU seconds the former's.
    """

    def one(number: int) -> Replication:
        return replicate(question, seed + number)

    def beside() -> list[Replication]:
        with ThreadPoolExecutor(max_workers=2) as pool:
            return list(pool.map(one, range(2)))

    speedups, ratios = [], []
    for _ in range(COMPARISONS):
        alone_s, alone_cpu_s, alone = _timed(lambda: [one(0), one(1)])
        beside_s, beside_cpu_s, both = _timed(beside)
        if [run.digest for run in alone] != [run.digest for run in both]:
            raise RuntimeError("two threads do not find what one does")
        speedups.append(alone_s / beside_s)
        ratios.append(beside_cpu_s / alone_cpu_s)
    return median(speedups), median(ratios)


def _timed(work: Callable[[], list[Replication]]) -> tuple[float, float, list[Replication]]:
    """(seconds, CPU seconds, what it gave)."""
    began, worked = perf_counter(), process_time()
    made = work()
    return perf_counter() - began, process_time() - worked, made


def _peak_rss_mb() -> float:
    """Most memory that this process ever held, in megabytes (Linux tells KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    show(measure)
