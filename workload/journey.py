"""What people do: steps, pauses, drop-out, timeout, retry. A journey compiles to an Itinerary.

An Itinerary is the journey as flat integers, the form that `visit.advance` reads in every world:
one row of WIDTH integers a step, and quantile tables of pauses in nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workload.draws import KNOTS, threshold
from workload.durations import SECOND_NS, Duration, constant
from workload.wave_draw import LOOKED_UP_BY, WaveDraw

#: The steps of the reference journey, in order. call_support is reached only from a failed step.
STEPS: Final = (
    "open_site",
    "register",
    "verify_email",
    "submit_identity",
    "await_identity",
    "upload_photo",
    "join_wave",
    "check_result",
    "call_support",
)
#: What people do whose step failed for good, where a journey says so; never walked to.
SUPPORT_STEP: Final = STEPS[-1]

#: Steps of attackers stand behind the people's, and are called so: `attack_register`.
ATTACKERS: Final = "attack_"

# Which mail an attempt waits for before it is made.
NO_MAIL: Final = 0
VERIFY_MAIL: Final = 1
RESULT_MAIL: Final = 2
MAILS: Final = ("none", "verify", "result")

# Columns of an itinerary's row.
WIDTH: Final = 14
DROP: Final = 0  # threshold of leaving before this step (of not calling, for the call itself)
ATTEMPTS: Final = 1  # attempts (beyond the polls) after which the visitor gives up
TIMEOUT: Final = 2  # ns until the visitor's client gives up an attempt
BACKOFF_FIRST: Final = 3  # ns before the second attempt
BACKOFF_CAP: Final = 4  # ns, the longest backoff
JITTER: Final = 5  # share of the backoff that is random, in 1/1000
POLL_FIRST: Final = 6  # ns before the first poll; then it doubles
POLL_CAP: Final = 7  # ns, the longest pause between polls
POLLS: Final = 8  # polls before the visitor leaves and comes back when the mail arrives
MAIL_KIND: Final = 9  # which mail is waited for (after POLLS attempts)
MAIL_PATIENCE: Final = 10  # ns that the visitor waits for that mail, and then gives up
CONNECT: Final = 11  # ns until a connection must stand
CALLS: Final = 12  # the row of the call for help that follows when this step fails, 0: none
NOT_BEFORE: Final = 13  # ns of run time at which the pause before this step begins, at the earliest


@dataclass(frozen=True)
class Patience:
    """How long people wait and how often they try. Seconds.

    ``attempts`` counts beyond a step's polls; who waited ``mail_s`` for a mail in vain gives up.
    ``jitter``: the share of each backoff that is random.
    """

    timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
    attempts: int = 4
    backoff_s: float = 2.0
    backoff_cap_s: float = 60.0
    jitter: float = 0.5
    mail_s: float = 1800.0


@dataclass(frozen=True)
class Step:
    """One thing that people do. ``drop_out`` is the share that leaves before it (an input)."""

    name: str
    pause: Duration = field(default_factory=lambda: constant(0.0))
    drop_out: float = 0.0
    patience: Patience = Patience()
    mail: str = "none"
    polls: int = 0
    poll_s: float = 30.0
    poll_cap_s: float = 960.0


class Itinerary(NamedTuple):
    """A journey as flat integers: ``plan`` (rows x WIDTH) and ``pauses`` (rows x KNOTS, ns).

    ``steps`` of them are walked by people; then comes the call for help, where a journey has one,
    then the steps of attackers.
    """

    plan: tuple[int, ...]
    pauses: tuple[int, ...]
    steps: int

    @property
    def attack(self) -> int:
        """The first row of attackers."""
        return self.steps + (self.plan[CALLS] > 0)


@dataclass(frozen=True)
class Support:
    """The call for help: of those whose step failed for good, ``share`` makes it.

    ``call``: the pause before it, and how long and how often people try.
    """

    share: float
    call: Step = Step(SUPPORT_STEP)


@dataclass(frozen=True)
class Journey:
    """Steps in order, what follows where one of them failed, and what attackers do beside."""

    steps: tuple[Step, ...]
    support: Support | None = None
    attack: tuple[Step, ...] = ()
    draw: WaveDraw | None = None

    @property
    def step_names(self) -> tuple[str, ...]:
        """Names of the steps that are walked, in order."""
        return tuple(step.name for step in self.steps)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that a history of this journey can hold, by number."""
        return tuple(step.name for step in self.rows)

    @property
    def rows(self) -> tuple[Step, ...]:
        """All that somebody does: the steps, the call for help, the steps of attackers."""
        call = (self.support.call,) if self.support else ()
        return (*self.steps, *call, *self.attack)

    def itinerary(self, pauses: float = 1.0, speed: float = 1.0, since_s: float = 0.0) -> Itinerary:
        """The journey with pauses multiplied by ``pauses`` and divided by ``speed``.

        The draw is an instant, as arrivals are: ``since_s``, where the run's window begins, is run
        time 0, and only ``speed`` brings it nearer.

        Polls are pauses; timeouts, backoff and the patience for a mail are not, and stay.
        """
        if not (math.isfinite(pauses) and pauses >= 0 and math.isfinite(speed) and speed > 0):
            raise ValueError(f"pauses {pauses}, speed {speed}: give 0 or more, and above 0")
        factor = pauses / speed
        calls = len(self.steps) if self.support else 0
        opens = {LOOKED_UP_BY: self.draw.drawn_s - since_s} if self.draw else {}
        instants = [_ns(max(0.0, opens.get(step.name, 0.0)) / speed) for step in self.steps]
        rows = [
            number
            for step, instant in zip(self.steps, instants, strict=True)
            for number in _row(step, factor, calls, instant)
        ]
        if self.support:
            silent = replace(self.support.call, drop_out=1.0 - self.support.share)
            rows += _row(silent, factor, 0)
        rows += [number for step in self.attack for number in _row(step, factor, 0)]
        tables: list[NDArray[np.int64]] = [step.pause.table(factor) for step in self.rows]
        flat = np.concatenate(tables).tolist()
        if len(flat) != KNOTS * len(self.rows):
            raise AssertionError("one pause table a step")
        return Itinerary(tuple(rows), tuple(flat), len(self.steps))


def peoples(names: Sequence[str]) -> int:
    """How many of a record's steps are the people's: all before the first of the attackers."""
    return sum(not name.startswith(ATTACKERS) for name in names)


def _row(step: Step, factor: float, calls: int, not_before: int = 0) -> tuple[int, ...]:
    patience = step.patience
    return (
        threshold(step.drop_out),
        patience.attempts,
        _ns(patience.timeout_s),
        _ns(patience.backoff_s),
        _ns(patience.backoff_cap_s),
        round(patience.jitter * 1000),
        _ns(step.poll_s * factor),
        _ns(step.poll_cap_s * factor),
        step.polls,
        MAILS.index(step.mail),
        _ns(patience.mail_s),
        _ns(patience.connect_timeout_s),
        calls,
        not_before,
    )


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)
