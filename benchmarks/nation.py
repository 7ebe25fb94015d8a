"""The nation at full size: prakerja-2020, 3.73 million people in 65 hours, in one process.

Compared: nothing with a peer; seconds, memory and events of the question that the project is
about, beside its people and attempts. Fair, because nothing is left out: the national deployment,
the scenario's own reading and seed, the record open until 24 hours after the last arrival.
``wall_s`` is all of it: drawing the arrivals, walking every visit, folding the result; compiling
the engine is done before, on a thousandth of the people. ``rss_before_mb`` is what interpreter and
libraries take; the difference is the projection's, ``bytes_per_person`` of it.

``threads_speedup``: how much sooner two replications of a tenth of the people are done on two
threads than one after the other; 2 where nothing is shared, and a second core is free.
"""

from __future__ import annotations

import resource
from concurrent.futures import ThreadPoolExecutor
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


def measure(size: float) -> Figures:
    """What the whole of it takes."""
    scenario = load_scenario("prakerja-2020")
    source, model = model_for(scenario)
    window, people = (0.0, scenario.curve.duration_s), scenario.curve.population

    def question(share: float) -> Question:
        bending = Bending(window, population=people * share if share != 1 else None)
        return Question(scenario, model, load_deployment("national"), bending)

    replicate(question(SHARE_TO_COMPILE), scenario.seed)
    before, began, worked = _peak_rss_mb(), perf_counter(), process_time()
    found = replicate(question(size), scenario.seed)
    wall_s, cpu_s = perf_counter() - began, process_time() - worked
    peak_mb = _peak_rss_mb()
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
        "threads_speedup": _threads_speedup(question(SHARE_FOR_THREADS * size), scenario.seed),
        "lost": found.lost,
        "history_sha256": found.digest[:16],
        "model": source,
    }


def _threads_speedup(question: Question, seed: int) -> float:
    """Wall-clock time of two replications one after the other, over that on two threads."""

    def one(number: int) -> Replication:
        return replicate(question, seed + number)

    began = perf_counter()
    alone = [one(0), one(1)]
    between = perf_counter()
    with ThreadPoolExecutor(max_workers=2) as pool:
        beside = list(pool.map(one, range(2)))
    if [run.digest for run in alone] != [run.digest for run in beside]:
        raise RuntimeError("two threads do not find what one does")
    return (between - began) / (perf_counter() - between)


def _peak_rss_mb() -> float:
    """Most memory that this process ever held, in megabytes (Linux tells KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    show(measure)
