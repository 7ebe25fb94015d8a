"""The visit: four words, one rule, one generator. Everything that walks a visit calls this file.

`walk` yields a Pause or an Attempt, is sent the Outcome of each Attempt, and returns an Ending.
`advance` is the rule behind it, in the subset that numba compiles: the load generator and the
SimPy engine reach it through `walk`, the compiled engine calls it from its own calendar. So one
place says what a visitor does.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from workload.draws import BACKOFF, DROP_OUT, KNOTS, PAUSE, SUPPORT, draw, drawn
from workload.journey import (
    ATTEMPTS,
    BACKOFF_CAP,
    BACKOFF_FIRST,
    CALLS,
    DROP,
    JITTER,
    MAIL_KIND,
    NO_MAIL,
    NOT_BEFORE,
    POLL_CAP,
    POLL_FIRST,
    POLLS,
    WIDTH,
    Itinerary,
)


class Outcome(IntEnum):
    """What became of an attempt, as the visitor sees it."""

    ACCEPTED = 0
    PENDING = 1  # "not yet": a poll that got its answer
    REFUSED = 2  # 4xx: asking again would not help
    OVERLOADED = 3  # 429 or 503
    FAULT = 4  # any other 5xx, or an answer that makes no sense
    CONNECT_TIMEOUT = 5
    READ_TIMEOUT = 6
    RESET = 7  # refused, reset or closed connection
    NO_MAIL = 8  # the mail did not come while the visitor was patient
    DECLINED = 9  # a correct no: the identity does not match


class Ending(IntEnum):
    """How a visit ends. OPEN: it had not ended when the record stopped."""

    OPEN = 0
    FINISHED = 1
    DROPPED_OUT = 2  # left between steps, as the published ratios say
    GAVE_UP = 3  # out of attempts or patience
    TURNED_AWAY = 4  # refused for good


# The same numbers for code that numba compiles (it knows no enum of ours).
ACCEPTED: Final = 0
PENDING: Final = 1
REFUSED: Final = 2
MAIL_MISSED: Final = 8
DECLINED: Final = 9
GOES_ON: Final = 0
FINISHED: Final = 1
DROPPED_OUT: Final = 2
GAVE_UP: Final = 3
TURNED_AWAY: Final = 4


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for ``ns`` ns, which begin at ``after`` (ns of run time) at the earliest."""

    ns: int
    after: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """Do a step, for the ``number``-th time (from 1); first await the mail if ``mail`` is not 0."""

    step: int
    number: int
    mail: int


def begin(pauses: Sequence[int], seed: int, visitor: int) -> int:
    """Nanoseconds between arrival and the first attempt."""
    return drawn(pauses, 0, seed, visitor, 0, 0, PAUSE)


def advance(  # noqa: PLR0913, PLR0917 - flat integers, as every engine has them
    plan: Sequence[int],
    pauses: Sequence[int],
    steps: int,
    seed: int,
    visitor: int,
    step: int,
    number: int,
    outcome: int,
    fate: int,
) -> tuple[int, int, int, int]:
    """What comes after an attempt: (step, number, pause in ns, ending).

    ``fate``: what `failure` says of this attempt, or has said of an earlier one: how the visit
    will end, at once or after a call for help.
    If the ending is not GOES_ON, step and number are those of the attempt that ended the visit.
    """
    row = step * WIDTH
    if outcome == ACCEPTED and fate == GOES_ON:
        after = step + 1
        if after == steps:
            return step, number, 0, FINISHED
        if draw(seed, visitor, after, 0, DROP_OUT) < plan[after * WIDTH + DROP]:
            return step, number, 0, DROPPED_OUT
        pause = drawn(pauses, after * KNOTS, seed, visitor, after, 0, PAUSE)
        return after, 1, pause, GOES_ON
    call = plan[row + CALLS]
    if fate != GOES_ON and call > 0:
        if draw(seed, visitor, call, 0, SUPPORT) < plan[call * WIDTH + DROP]:
            return step, number, 0, fate
        pause = drawn(pauses, call * KNOTS, seed, visitor, call, 0, PAUSE)
        return call, 1, pause, GOES_ON
    if fate != GOES_ON and (outcome == ACCEPTED or failure(plan, step, number, outcome) != GOES_ON):
        return step, number, 0, fate
    if outcome == PENDING:
        return step, number + 1, poll_pause(plan, row, number), GOES_ON
    chance = draw(seed, visitor, step, number, BACKOFF)
    return step, number + 1, backoff(plan, row, number, chance), GOES_ON


def failure(plan: Sequence[int], step: int, number: int, outcome: int) -> int:
    """How a visit ends whose step failed for good by this attempt; GOES_ON: it did not."""
    row = step * WIDTH
    if outcome == ACCEPTED:
        return GOES_ON
    if outcome in (REFUSED, DECLINED):
        return TURNED_AWAY
    if outcome == MAIL_MISSED or number >= plan[row + ATTEMPTS] + plan[row + POLLS]:
        return GAVE_UP
    return GOES_ON


def poll_pause(plan: Sequence[int], row: int, number: int) -> int:
    """Pause after the number-th poll: the first pause doubled number times, up to a cap.

    None after the last poll where a mail is awaited: the visitor leaves, and comes back when the
    mail arrives.
    """
    if number == plan[row + POLLS] and plan[row + MAIL_KIND] != NO_MAIL:
        return 0
    pause = plan[row + POLL_FIRST]
    for _ in range(number):
        if pause < plan[row + POLL_CAP]:
            pause = pause * 2
    return min(pause, plan[row + POLL_CAP])


def backoff(plan: Sequence[int], row: int, number: int, chance: int) -> int:
    """Pause after the number-th attempt failed: doubling up to a cap, a share of it at random."""
    pause = plan[row + BACKOFF_FIRST]
    for _ in range(number - 1):
        if pause < plan[row + BACKOFF_CAP]:
            pause = pause * 2
    pause = min(pause, plan[row + BACKOFF_CAP])
    spread = pause * plan[row + JITTER] // 1000
    return pause - ((spread >> 10) * (chance >> 33) >> 10)


def mail_needed(plan: Sequence[int], step: int, number: int) -> int:
    """Which mail the number-th attempt of a step waits for; 0 is none."""
    row = step * WIDTH
    if number > plan[row + POLLS]:
        return plan[row + MAIL_KIND]
    return NO_MAIL


def pause_begins(plan: Sequence[int], step: int, number: int) -> int:
    """When the pause before an attempt begins at the earliest, ns of run time; 0: at once."""
    return plan[step * WIDTH + NOT_BEFORE] if number == 1 else 0


def walk(
    itinerary: Itinerary, seed: int, visitor: int, *, attacks: bool = False
) -> Generator[Pause | Attempt, int, Ending]:
    """A visit: yields Pause and Attempt, is sent the Outcome of each Attempt, returns an Ending.

    Who attacks walks the steps behind the people's, and begins at once.
    """
    if attacks:
        return walk_on(itinerary, seed, visitor, itinerary.attack, 1, 0)
    return walk_on(itinerary, seed, visitor, 0, 1, begin(itinerary.pauses, seed, visitor))


def walk_on(
    itinerary: Itinerary,
    seed: int,
    visitor: int,
    step: int,
    number: int,
    pause: int,
    fate: int = GOES_ON,
) -> Generator[Pause | Attempt, int, Ending]:
    """`walk` from the middle of a visit: after ``pause`` ns comes the ``number``-th attempt of a
    step. ``fate``: how the visit will end, where a step has failed for good already.
    """
    plan, pauses, people = itinerary
    steps = people if step < itinerary.attack else len(plan) // WIDTH
    ending = GOES_ON
    while ending == GOES_ON:
        after = pause_begins(plan, step, number)
        if pause or after:
            yield Pause(pause, after)
        outcome = yield Attempt(step, number, mail_needed(plan, step, number))
        fate = fate or failure(plan, step, number, outcome)
        step, number, pause, ending = advance(
            plan, pauses, steps, seed, visitor, step, number, outcome, fate
        )
    return Ending(ending)
