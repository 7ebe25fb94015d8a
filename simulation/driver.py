"""The readable reference: SimPy walks the visits of `workload.visit.walk` on simulated time.

A visitor is a SimPy process around `walk`: it answers a Pause with a timeout and an Attempt with
the stations, and sleeps until it hears something. The stations are the pure functions of `kernel`,
run by events whose priority is their code: so SimPy settles events of one instant by (kind,
visitor, step, number), as the compiled engine does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import simpy
from simpy.events import Event

from simulation import layout as at
from simulation.carried import carry_over, is_carried
from simulation.depths import look
from simulation.kernel import handle
from simulation.places import add_places, open_visit
from simulation.visits import attempt, close_visit, pause, record
from simulation.world import Order, build_world
from workload.arrivals import Arrivals
from workload.roll import WINDOW, Roll
from workload.visit import Attempt, Ending, Pause, walk, walk_on

Call = Callable[[Event], None]


class _At(Event):
    """An event at an absolute time, ordered by its code among those of the same instant."""

    def __init__(self, env: simpy.Environment, when: int, code: int, call: Call) -> None:
        self.env = env
        self.callbacks = [call]
        self._value: Any = None
        self._ok = True
        env.schedule(self, priority=code, delay=when - env.now)  # type: ignore[arg-type]


class SimpyEngine:
    """One run. ``world`` may be read at any time; `run` ends at the horizon or when all is done."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.world = build_world(order)
        self.env = simpy.Environment()
        self._hears: dict[int, Event] = {}

    def run(
        self, arrivals: Arrivals | Roll, progress: Callable[[float], None] | None = None
    ) -> at.World:
        """Let everybody arrive and walk; returns the world at the end.

        ``progress`` is called with the share of the horizon that has passed, now and then.
        """
        self._put_on_calendar()  # what is known from the start
        self.env.process(self._doors(arrivals))
        horizon = self.world.cells[at.C_HORIZON]
        pieces = 100 if progress else 1
        for piece in range(1, pieces + 1):
            self.env.run(until=horizon * piece // pieces)
            if progress:
                progress(piece / pieces)
        look(self.world, at.THE_END)
        return self.world

    def _doors(self, arrivals: Arrivals | Roll) -> Generator[Event, Any, None]:
        for window in arrivals.windows(WINDOW):
            for who, when in zip(window.index.tolist(), window.at_ns.tolist(), strict=True):
                yield _At(self.env, when, at.code_of(at.ARRIVE, who, 0, 0), self._arrival)
                self.env.process(self._visit(who))

    def _arrival(self, _: Event) -> None:
        look(self.world, int(self.env.now))
        self.world.cells[at.C_EVENTS] += 1
        self._make_room()

    def _visit(self, who: int) -> Generator[Event, Any, None]:
        world, env = self.world, self.env
        mine, visit = self._begun(who)
        action, is_under_way = next(visit), is_carried(world, who)
        while True:
            hears = self._hears[mine] = Event(env)
            if isinstance(action, Pause):
                if not is_under_way:
                    pause(world, int(env.now), mine, action.ns, action.after)
                is_under_way = False
                self._put_on_calendar()
                yield hears
                action = next(visit)
                continue
            if not is_under_way:
                attempt(world, int(env.now), mine, action.step, action.number, action.mail)
            is_under_way = False
            self._put_on_calendar()
            outcome = yield hears
            self._make_room_for_a_row()
            try:
                action = visit.send(outcome)
            except StopIteration as end:
                record(world, int(env.now), mine, outcome, end.value)
                close_visit(world, int(env.now), mine, end.value)
                return
            record(world, int(env.now), mine, outcome, 0)

    def _begun(self, who: int) -> tuple[int, Generator[Pause | Attempt, int, Ending]]:
        """A visit from its beginning, or from where a state says that it is."""
        world, order, now = self.world, self.order, int(self.env.now)
        if not is_carried(world, who):
            attacks = who >= order.first_attacker
            visit = walk(order.itinerary, order.seed, who, attacks=attacks)
            return open_visit(world, now, who), visit
        mine = carry_over(world, now, who)
        step, number = world.marks[mine + at.M_STEP], world.marks[mine + at.M_NUMBER]
        fate = world.notes[mine + at.N_FATE]
        pauses = int(world.marks[mine + at.M_STATE] == at.PAUSING)
        return mine, walk_on(order.itinerary, order.seed, who, step, number, pauses, fate)

    def _put_on_calendar(self) -> None:
        cells, out = self.world.cells, self.world.out
        for place in range(0, cells[at.C_OUT] * at.OUT, at.OUT):
            when, code, ref = out[place : place + at.OUT]
            _At(self.env, when, code, self._handler(when, code, ref))
        cells[at.C_OUT] = 0

    def _handler(self, when: int, code: int, ref: int) -> Call:
        world = self.world
        if at.kind_of(code) == at.WAKE:

            def wake(_: Event) -> None:
                look(world, when)
                world.cells[at.C_EVENTS] += 1
                self._hears[ref].succeed()

            return wake

        def happen(_: Event) -> None:
            look(world, when)
            self._make_room()
            handle(world, when, code, ref)
            if world.cells[at.C_OUT]:
                self._put_on_calendar()
            if world.cells[at.C_HEARD] != at.NONE:
                self._hears[world.cells[at.C_HEARD]].succeed(world.cells[at.C_OUTCOME])

        return happen

    def _make_room(self) -> None:
        cells = self.world.cells
        if min(cells[at.C_ROOM_VISITS], cells[at.C_ROOM_JOBS]) <= cells[at.C_MOST_OUT]:
            add_places(self.world, len(self.world.visits) // at.VISIT)

    def _make_room_for_a_row(self) -> None:
        if self.order.trace:
            self.world.rows.extend([0] * at.ROW)
