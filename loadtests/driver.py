"""Walks one visit for real: a Pause is slept, an Attempt is an HTTP request, or a few of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from loadtests.exchange import Answer, Request
from loadtests.protocol import JourneyProtocol, Memory
from workload.attack import step_done
from workload.history import Observation
from workload.journey import CONNECT, MAIL_PATIENCE, MAILS, TIMEOUT, WIDTH, Itinerary
from workload.population import Population, Visitor
from workload.visit import Attempt, Ending, Outcome, Pause, walk

#: What brings people to the call centre; a correct no is a failure to them.
FAILED: Final = frozenset(Outcome) - {Outcome.ACCEPTED, Outcome.PENDING}


class Time(Protocol):
    """What the driver needs of the run's clock; ``base`` is run time 0 on the monotonic clock."""

    base: int

    def now(self) -> int:
        """ns since the base."""

    def sleep_until(self, at: int) -> None:
        """Return at ``at`` or later."""


class Asks(Protocol):
    """What the driver needs of the client."""

    def ask(self, request: Request, connect_deadline_ns: int, deadline_ns: int) -> Answer:
        """The answer, or the failure, by these instants of the monotonic clock."""


class Letters(Protocol):
    """What the driver needs of the mailbox."""

    def wait(self, address: str, kind: str, until: int) -> dict[str, Any] | None:
        """The letter, or None at ``until``."""


@dataclass(frozen=True)
class World:
    """All that a visit meets.

    ``begin`` hears of each attempt as it is sent; ``record`` takes its Observation at its end, and
    how long the answer was. An attempt that is killed in between has no Observation. Who has an
    index from ``first_attacker`` on attacks.
    """

    steps: tuple[str, ...]
    itinerary: Itinerary
    seed: int
    people: Population
    protocol: JourneyProtocol
    client: Asks
    mailbox: Letters
    time: Time
    begin: Callable[[], None]
    record: Callable[[Observation, int], None]
    first_attacker: int = 1 << 62


def walk_visit(world: World, index: int, arrived: int) -> Ending:
    """Walk the visit of a visitor who arrived at ``arrived`` (ns of run time), to its end."""
    visitor = world.people.visitor(world.seed, index)
    visit = walk(world.itinerary, world.seed, index, attacks=index >= world.first_attacker)
    memory: Memory = {}
    intended, ending = arrived, Ending.OPEN
    move: Pause | Attempt | None = next(visit)
    while move is not None:
        if isinstance(move, Pause):
            intended = max(intended, move.after) + move.ns
            world.time.sleep_until(intended)
            move = next(visit)
            continue
        row, size = attempt(world, visitor, memory, move, arrived, intended)
        move, ending = _next(visit, row.outcome)
        world.record(_ended(row, ending) if ending else row, size)
        intended = row.ended
    return ending


def attempt(
    world: World, visitor: Visitor, memory: Memory, move: Attempt, arrived: int, intended: int
) -> tuple[Observation, int]:
    """One attempt, and the length of its answer in bytes.

    An attempt that waits for a mail is intended when the visitor has the mail in hand.
    """
    time, row = world.time, move.step * WIDTH
    plan, step = world.itinerary.plan, step_done(world.steps[move.step])
    if move.mail:
        until = intended + plan[row + MAIL_PATIENCE]
        letter = world.mailbox.wait(visitor.email, MAILS[move.mail], until)
        now = time.now()
        if letter is None:
            memory["failed"] = step
            nothing = (arrived, intended, intended, now, Outcome.NO_MAIL)
            return Observation(visitor.index, move.step, move.number, *nothing), 0
        memory["mail"] = letter
        intended = max(intended, now)
    request = world.protocol.request(step, visitor, memory)
    started = time.now()
    world.begin()
    limits = plan[row + CONNECT], started + time.base + plan[row + TIMEOUT]
    outcome, status, size = exchange(world, step, memory, request, limits)
    ended = time.now()
    if outcome in FAILED:
        memory["failed"] = step
    made = Observation(
        visitor.index, move.step, move.number, arrived, intended, started, ended, int(outcome),
        status,
    )  # fmt: skip
    return made, size


def exchange(
    world: World, step: str, memory: Memory, request: Request, limits: tuple[int, int]
) -> tuple[Outcome, int, int]:
    """Ask until the protocol knows the outcome: (outcome, last status, bytes of all answers).

    ``limits``: ns for each connection to stand, and the monotonic deadline of the whole attempt.
    """
    time, size, (connect_ns, deadline) = world.time, 0, limits
    while True:
        connect_by = time.now() + time.base + connect_ns
        answer = world.client.ask(request, connect_by, deadline)
        size += len(answer.body)
        if answer.failure is not None:
            return answer.failure, answer.status, size
        found = world.protocol.outcome(step, answer.status, answer.body, memory)
        if isinstance(found, Outcome):
            return found, answer.status, size
        request = found


def _next(
    visit: Generator[Pause | Attempt, int, Ending], outcome: int
) -> tuple[Pause | Attempt | None, Ending]:
    try:
        return visit.send(outcome), Ending.OPEN
    except StopIteration as end:
        return None, end.value


def _ended(row: Observation, ending: Ending) -> Observation:
    return Observation(
        row.visitor, row.step, row.number, row.arrived, row.intended, row.started, row.ended,
        row.outcome, row.status, int(ending),
    )  # fmt: skip
