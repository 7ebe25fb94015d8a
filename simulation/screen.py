"""Screening: would this deployment do? The fluid first, then the stretch of the wave that decides.

A short wave is simulated whole, on a few seeds. Of a long one only the stretch that holds every
step's busiest minute is: what builds up over hours (backlogs, people lost) is the fluid's to say,
and its word is only taken for a no. So a screened yes is a candidate, which full-size replications
have to confirm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final, TypeVar

import numpy as np

from simulation.bounds import bounds_of
from simulation.demand import demand_of
from simulation.deployment import Deployment
from simulation.executors import cores
from simulation.fluid import Fluid, fluid_of
from simulation.projection import Projection
from simulation.replication import Question, Replication, replicate
from workload.errors import InvalidRunError
from workload.objective import Answer, Objective, judge

#: A wave of at most so many seconds and people is simulated whole.
SHORT_S: Final = 3600.0
FEW: Final = 60_000
SEEDS: Final = 3
#: What chance adds to a backlog of hundreds of thousands, as a share of it, with room to spare.
CHANCE: Final = 0.01
#: Seconds around the busiest minute that are simulated of a longer one.
BEFORE_S: Final = 900.0
AFTER_S: Final = 120.0
#: Answers that are looked for at once, where others simulate: looking for one costs little.
MANY: Final = 16

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass
class Clock:
    """Wall-clock seconds that something may take; `check` raises InvalidRunError beyond them.

    ``remedy``: what would help beside more time. It can be sent to another process or machine,
    where it goes on; the machines' clocks have to agree.
    """

    most_s: float
    began: float = field(default_factory=time.monotonic)
    remedy: str = "a shorter --window or fewer settings to look for (--fixed)"

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self.began

    @property
    def left_s(self) -> float:
        return self.most_s - self.spent_s

    def stop(self) -> None:
        """Nobody wants an answer any more: every thread learns it at its next look."""
        self.most_s = min(self.most_s, 0.0)

    def __getstate__(self) -> dict[str, Any]:
        """Monotonic time means nothing on another machine."""
        return {**self.__dict__, "began": time.time() - self.spent_s}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.began = time.monotonic() - (time.time() - state["began"])

    def check(self, _: float = 0.0) -> None:
        """Takes the share that is done, so that it can stand for a progress callback."""
        if self.left_s <= 0:
            raise InvalidRunError(
                f"no answer within {self.most_s:g} s of wall-clock time: give a longer --max-wall, "
                + self.remedy
            )


def replicate_in_time(question: Question, seed: int, clock: Clock) -> Replication:
    """One replication; InvalidRunError when the clock runs out before its end, with what is
    unstable in it.
    """
    clock.check()
    try:
        return replicate(question, seed, clock.check)
    except InvalidRunError as error:
        raise InvalidRunError(f"{error}{unstable_words(question)}") from error


def unstable_words(question: Question) -> str:
    """Which stations are unstable and by how much, to be appended; '' where none is."""
    rows = bounds_of(question).unstable
    return "; unstable: " + "; ".join(row.sentence for row in rows) if rows else ""


def objectives_broken(
    objectives: Sequence[Objective], question: Question, runs: Sequence[Replication]
) -> tuple[str, ...]:
    """Objectives that these replications miss; what they can't judge they do not miss.

    A probability of collapse is missed when the share of them that collapses is not below it.
    """
    facts = Projection(question, tuple(runs))

    def missed(objective: Objective) -> bool:
        if objective.kind == "collapse":
            return facts.collapses / len(runs) >= objective.limit
        return judge(objective, facts).answer is Answer.MISSED

    return tuple(one.text for one in objectives if missed(one))


def fluid_broken(objectives: Sequence[Objective], found: Fluid) -> tuple[str, ...]:
    """Objectives that the flows alone break."""
    waits = {"identity": "registry_client", "mail": "mail_sender"}

    def missed(objective: Objective) -> bool:
        if objective.kind == "collapse":
            return found.collapses
        if objective.kind == "backlog":
            return found.longest_wait_s[waits[objective.subject]] >= objective.limit * (1 - CHANCE)
        if objective.kind == "success":
            return found.success[objective.subject] <= objective.limit
        return found.latency(objective.subject, objective.quantile) >= objective.limit

    return tuple(one.text for one in objectives if missed(one))


@dataclass
class Screen:
    """Answers for one question, by deployment and demand; every answer is given once.

    ``simulated``: how many replications it has run; ``screened``: how many answers it gave.
    ``whole``: whether the wave is simulated from end to end; None: where it is short. ``pool``:
    who simulates; None: whoever asks.
    """

    question: Question
    clock: Clock
    simulated: int = 0
    whole: bool | None = None
    pool: Executor | None = None
    _known: dict[tuple[str, float], Future[tuple[str, ...]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def screened(self) -> int:
        return len(self._known)

    @property
    def is_whole(self) -> bool:
        """Whether the wave is short enough to be simulated from end to end."""
        if self.whole is not None:
            return self.whole
        few = demand_of(self.question).people <= FEW
        return few and self.question.window_length_s <= SHORT_S

    def broken(self, deployment: Deployment, demand: float = 1.0) -> tuple[str, ...]:
        """Objectives that are missed at ``demand`` times the people; () is a candidate."""
        key = (repr(deployment), demand)
        with self._lock:
            known = self._known.get(key)
            mine: Future[tuple[str, ...]] = self._known.setdefault(key, Future())
        if known is not None:
            return known.result()
        try:
            self.clock.check()
            mine.set_result(self._judge(self.asked(deployment, demand)))
        except BaseException as error:
            with self._lock:
                del self._known[key]  # with more time there may be an answer
            mine.set_exception(error)
            raise
        return mine.result()

    def replicated(self, question: Question, seeds: Iterable[int]) -> list[Replication]:
        """A replication of each seed, by the pool where there is one."""
        if self.pool is None:
            return [replicate_in_time(question, seed, self.clock) for seed in seeds]
        runs = [self.pool.submit(replicate_in_time, question, seed, self.clock) for seed in seeds]
        return [run.result() for run in runs]

    def several(self, answer: Callable[[Item], Found], items: Sequence[Item]) -> Iterator[Found]:
        """The answer for each, in their order; several are looked for at once.

        In threads, which wait for the pool: what is looked for next hangs on what it answers.
        """
        with ThreadPoolExecutor(cores() if self.pool is None else MANY) as threads:
            try:
                yield from threads.map(answer, items)
            except (KeyboardInterrupt, BrokenExecutor):
                self.clock.stop()
                raise

    def flows_break(self, deployment: Deployment, demand: float = 1.0) -> tuple[str, ...]:
        """Objectives that the fluid alone sees missed: a no is a no, a yes is none yet."""
        self.clock.check()
        question = self.asked(deployment, demand)
        return fluid_broken(question.scenario.objectives, fluid_of(question))

    def asked(self, deployment: Deployment, demand: float = 1.0) -> Question:
        """The question, of a deployment and ``demand`` times the people."""
        question, bending = self.question, self.question.bending
        if demand != 1.0:
            people = bending.population or question.scenario.curve.population
            bending = replace(bending, population=people * demand)
        return replace(question, deployment=deployment, bending=bending, replications=1)

    def _judge(self, question: Question) -> tuple[str, ...]:
        objectives = question.scenario.objectives
        found = fluid_broken(objectives, fluid_of(question))
        if found:
            return found
        if self.is_whole:
            seeds = range(question.scenario.seed, question.scenario.seed + SEEDS)
            runs = self.replicated(question, seeds)
        else:
            here = [one for one in objectives if one.kind in ("latency", "success")]
            if not here:
                return ()
            objectives = tuple(here)
            question = busiest_stretch(question)
            runs = self.replicated(question, [question.scenario.seed])
        with self._lock:
            self.simulated += len(runs)
        return objectives_broken(objectives, question, runs)


def busiest_stretch(question: Question) -> Question:
    """The question of the stretch that holds the busiest minute, and those of steps close to it.

    Of the minutes while people come: a rush behind them, as after a draw, has nobody to simulate.
    """
    demand = demand_of(question)
    width = max(1, round(60.0 / demand.cell_s))
    minutes = [np.convolve(row, np.ones(width))[: len(row)] for row in demand.first]
    busiest = int(np.argmax(np.sum(minutes, axis=0)[: demand.come_for])) * demand.cell_s
    peaks = [int(np.argmax(minute)) * demand.cell_s for minute in minutes]
    close = [at for at in peaks if abs(at - busiest) <= BEFORE_S]
    speed, (start, end) = question.bending.speed, question.bending.window_s
    low = max(start, start + (min(busiest, *close) - BEFORE_S) * speed)
    high = min(end, start + (max(busiest, *close) + AFTER_S) * speed)
    bending = replace(question.bending, window_s=(low, high))
    return replace(question, bending=bending, horizon_s=(high - low) / speed)
