"""One worker: paces its share of the visitors, walks their visits, and tells what happened.

Everything goes to the conductor as messages once a second: the rows of the history (ten int64 a
row, in the order of `workload.history.NAMES`) and a Tally. The same messages are used within one
process, between processes and between hosts.
"""

from __future__ import annotations

import gc
import resource
from array import array
from collections.abc import Callable
from dataclasses import asdict
from itertools import count
from typing import Any, Final

import gevent
import numpy as np
from gevent.pool import Group

from loadtests.client import Client
from loadtests.clock import SECOND_NS, Clock
from loadtests.driver import World, walk_visit
from loadtests.figures import Tally
from loadtests.mail import Mailbox, NoMailbox
from loadtests.orders import Orders
from loadtests.pacer import Lag, pace
from loadtests.protocol import load_protocol
from workload.coming import coming
from workload.errors import SurgeError
from workload.history import NAMES, Observation
from workload.visit import Outcome

# Messages from worker to conductor.
ROWS: Final = "surge_rows"
TALLY: Final = "surge_tally"
DONE: Final = "surge_done"
#: Rows are sent at this many even before the second is over: one message stays below 100 kB.
ROWS_AT_ONCE: Final = 1024

Say = Callable[[str, dict[str, Any]], None]
Seen = Callable[[str, Observation, int], None]


class Worker:
    """``say(kind, data)`` sends a message; ``seen(step, observation, bytes)`` hears of attempts.

    ``over``: it has said DONE, and all of its record before that.

    Making one raises InputError or InvalidRunError when the orders can't be carried out here.
    """

    def __init__(self, orders: Orders, number: int, workers: int, say: Say, seen: Seen) -> None:
        self._scenario = orders.load()
        who = coming(self._scenario, self._scenario.seed, orders.bending)
        self._arrivals = who.everybody.slice(number, workers)
        self._first_attacker = who.first_attacker
        self._orders = orders
        self._number = number
        self._say, self._seen = say, seen
        self._steps = self._scenario.walked.names
        self._lag = Lag()
        self._rows = array("q")
        self._visits = Group()
        self._protocol = load_protocol(orders.protocol)
        self._client = Client(orders.target, orders.headers)
        self._arrived = self._ended = self._attempts = self._failures = 0
        self._sent = self._unsent = 0
        self._reason = ""
        self.over = False
        self._window_cpu_s = 0.0
        self._main: gevent.Greenlet[[], None] | None = None

    def start(self, base_unix_ns: int) -> None:
        """Begin, in the background, at an instant of wall-clock time."""
        raise_file_limit()
        self._clock = Clock(base_unix_ns)
        url = self._orders.mailbox
        self._mailbox = Mailbox(url, self._clock) if url else NoMailbox()
        self._world = self._make_world()
        self._before = resource.getrusage(resource.RUSAGE_SELF)
        quiet_garbage_collector()
        self._main = gevent.spawn(self._work)
        self._main.link_exception(self._break_off)
        self._reporter = gevent.spawn(self._report)

    def stop(self, reason: str = "") -> None:
        """End now: visits that go on stay open in the record. Flushes, and says DONE once."""
        main, self._main = self._main, None
        if main is None:
            return
        self._reason = self._reason or reason
        if main is not gevent.getcurrent():
            main.kill()
        self._finish()

    def _make_world(self) -> World:
        bending = self._orders.bending
        return World(
            steps=self._steps,
            itinerary=self._scenario.itinerary(bending.pauses, bending.speed, bending.window_s[0]),
            seed=self._scenario.seed,
            people=self._scenario.people,
            protocol=self._protocol,
            client=self._client,
            mailbox=self._mailbox,
            time=self._clock,
            begin=self._send,
            record=self._record,
            first_attacker=self._first_attacker,
        )

    def _work(self) -> None:
        self._clock.sleep_until(0)
        self._before = resource.getrusage(resource.RUSAGE_SELF)
        pace(self._arrivals, self._clock, self._begin)
        window = round(self._orders.window_s * SECOND_NS)
        self._clock.sleep_until(window)
        self._window_cpu_s = self.tally().cpu_s
        left_s = (window - self._clock.now()) / SECOND_NS + self._orders.drain_s
        self._visits.join(timeout=max(left_s, 0.0))
        self.stop()

    def _begin(self, visitor: int, arrived: int) -> None:
        self._arrived += 1
        greenlet: Any = gevent.Greenlet(walk_visit, self._world, visitor, arrived)
        greenlet.link_value(self._count_end)
        greenlet.link_exception(self._break_off)
        self._visits.start(greenlet)

    def _count_end(self, greenlet: Any) -> None:
        if not isinstance(greenlet.value, gevent.GreenletExit):
            self._ended += 1

    def _break_off(self, greenlet: Any) -> None:
        """Something of ours or of the protocol raised; the service can't make that happen."""
        error = greenlet.exception
        what = str(error) if isinstance(error, SurgeError) else f"{type(error).__name__}: {error}"
        self._reason = self._reason or f"the generator broke off: {what}"
        gevent.spawn(self.stop)

    def _send(self) -> None:
        self._sent += 1

    def _record(self, row: Observation, size: int) -> None:
        self._attempts += 1
        self._failures += row.outcome not in ANSWERED
        self._unsent += row.outcome == Outcome.NO_MAIL
        self._lag.take(row)
        self._rows.extend(
            (row.visitor, row.step, row.number, row.arrived, row.intended, row.started, row.ended,
             row.outcome, row.status, row.ending)
        )  # fmt: skip
        if len(self._rows) >= ROWS_AT_ONCE * len(NAMES):
            self._flush()
        self._seen(self._steps[row.step], row, size)

    def _report(self) -> None:
        """At each whole second of the run, when the target is scraped too."""
        for second in count(1):
            self._clock.sleep_until(second * SECOND_NS)
            self._flush()
            self._say(TALLY, asdict(self.tally()))

    def _flush(self) -> None:
        rows, self._rows = self._rows, array("q")
        if rows:
            self._say(ROWS, {"worker": self._number, "rows": rows.tobytes()})

    def _finish(self) -> None:
        self._reporter.kill()
        self._visits.kill()
        self._flush()
        self._client.close()
        self._mailbox.close()
        self._clock.close()
        self._say(DONE, asdict(self.tally()))
        self.over = True

    def tally(self) -> Tally:
        """The figures so far."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Tally(
            worker=self._number,
            arrived=self._arrived,
            expected=len(self._arrivals),
            ended=self._ended,
            attempts=self._attempts,
            failures=self._failures,
            connects=self._client.connected,
            mailbox_failures=self._mailbox.failures,
            lag=list(self._lag.counts),
            lag_sum_s=self._lag.sum_ns / 1e9,
            worst_lag_s=self._lag.worst_ns / 1e9,
            cpu_s=_cpu_s(usage) - _cpu_s(self._before),
            window_cpu_s=self._window_cpu_s,
            wakeups=usage.ru_nvcsw - self._before.ru_nvcsw,
            involuntary=usage.ru_nivcsw - self._before.ru_nivcsw,
            reason=self._reason,
            in_flight=self._sent - (self._attempts - self._unsent),
            due=int(np.searchsorted(self._arrivals.at_ns, self._clock.now(), side="right")),
        )


ANSWERED: Final = frozenset((Outcome.ACCEPTED, Outcome.PENDING, Outcome.DECLINED))


def raise_file_limit() -> None:
    """Every visitor in flight holds a socket: take as many descriptors as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _cpu_s(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def quiet_garbage_collector() -> None:
    """What stands now is never garbage; a full collection among many visits would stop them all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
