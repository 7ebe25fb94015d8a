"""Locust as the pump: `locust -f loadtests/locustfile.py --headless --host URL --scenario smoke`.

Locust brings the processes together, keeps its statistics and shows its web page. When which
visitor comes is not Locust's affair: its users wait for answers, our visitors come when the curve
says. So its one user does nothing, and the run goes by messages between conductor and workers.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from socket import gethostname
from time import monotonic, time, time_ns
from typing import Any, Final

import gevent
from locust import User, events, task
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # Locust loads us by path

from loadtests import conductor as conducting
from loadtests import worker as working
from loadtests.campaign import ADMIN_TOKEN, TOLD
from loadtests.closing import Closing
from loadtests.conductor import Conductor
from loadtests.given import Given, given_by_campaign, given_by_hand, told
from loadtests.options import add_options
from loadtests.orders import Orders, check_draw, check_mailbox
from loadtests.protocol import load_protocol
from loadtests.rundir import Circumstances, finish
from loadtests.target import wait_until_ready
from loadtests.tether import tether
from loadtests.worker import ANSWERED, Worker
from workload.errors import InputError, SurgeError
from workload.history import Observation, outcome_name
from workload.visit import Outcome

#: A worker asks whether it can reach the target, before the run.
REACH_S: Final = 5.0
#: Locust's master answers each worker once a second.
SILENCE_S: Final = 10.0
EXIT_CODES: Final = {"complete": 0, "invalid": 3, "interrupted": 130}


class Visits(User):
    """Locust wants a user; this one keeps the run open while visits are walked beside it."""

    fixed_count = 1

    @task
    def wait(self) -> None:
        gevent.sleep(3600.0)


class StepFailed(Exception):  # noqa: N818 - Locust shows this name as the failure
    """Why an attempt counts as a failure in Locust's statistics."""


FAILURES: Final = {o: StepFailed(outcome_name(o)) for o in Outcome if o not in ANSWERED}
tether(os.environ)


class Door:
    """What ties one process of Locust to the run: hears its events, passes its messages on."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.runner = environment.runner
        self.given: Given
        self.conductor: Conductor | None = None
        self.worker: Worker | None = None
        self._heard = 0.0
        self._fault = ""
        if not isinstance(self.runner, MasterRunner):
            self._become_worker()
        if not isinstance(self.runner, WorkerRunner):
            self._become_conductor()

    # A worker's side.

    def _become_worker(self) -> None:
        self._hear(conducting.ORDERS, self._prepare)
        self._hear(conducting.BEGIN, self._begin)
        self._hear(conducting.STOP, self._stop)
        self.environment.events.test_stop.add_listener(self._stop)
        if not isinstance(self.runner, WorkerRunner):
            self.environment.events.quitting.add_listener(self._stop)
            return
        # Ctrl-C reaches every process of a terminal; the master ends the run in order.
        gevent.signal_handler(signal.SIGINT, lambda: None)
        self.environment.events.quitting.add_listener(self._leave)
        self.environment.events.heartbeat_received.add_listener(self._hear_master)
        gevent.spawn(self._stay_in_touch)

    def _prepare(self, data: dict[str, Any]) -> None:
        """In the background: reading orders takes a second for a nation, and heartbeats go on."""

        def make() -> Worker:
            orders, place = Orders.read(data["orders"]), (data["worker"], data["workers"])
            if isinstance(self.runner, WorkerRunner):  # perhaps of another machine
                wait_until_ready(orders.target, orders.headers, REACH_S)
            return Worker(orders, *place, self.runner.send_message, self._seen)

        def answer(greenlet: Any) -> None:
            self.worker = greenlet.value
            fault = "" if greenlet.successful() else str(greenlet.exception)
            if fault and isinstance(self.runner, WorkerRunner):
                fault = self._fault = f"worker {data['worker']} on {gethostname()}: {fault}"
            said = {"worker": data["worker"], "fault": fault, "unix_ns": time_ns()}
            self.runner.send_message(conducting.READY, said)

        gevent.spawn(make).link(answer)

    def _begin(self, data: dict[str, Any]) -> None:
        if self.worker is not None:
            self.worker.start(data["base_unix_ns"])

    def _stop(self, *_: Any, **__: Any) -> None:
        if self.worker is not None:
            self.worker.stop()

    def _leave(self, **_: Any) -> None:
        """Locust's worker ends: after its run, or because somebody on its machine wished so."""
        if self.worker is None:
            told = self._fault or "the run began, or ended, without this worker"
            sys.stderr.write(f"surge: {told}\n")
            self.environment.process_exit_code = TOLD
        else:
            self.worker.stop(f"worker lost: it was told to leave, on {gethostname()}")

    def _hear_master(self, **_: Any) -> None:
        self._heard = monotonic()

    def _stay_in_touch(self) -> None:
        """Whom the master can't reach must not go on loading the target: the run is invalid."""
        self._hear_master()
        while self.worker is None or not self.worker.over:
            if monotonic() - self._heard > SILENCE_S:
                told = f"the master said nothing for {SILENCE_S:g} s: it has ended, or is cut off"
                sys.stderr.write(f"surge: {told}\n")
                sys.stderr.flush()
                os._exit(TOLD)  # in order would wait for the master
            gevent.sleep(1.0)

    def _seen(self, step: str, row: Observation, size: int) -> None:
        """Locust's own statistics: milliseconds from the intended start."""
        self.environment.events.request.fire(
            request_type="attempt",
            name=step,
            response_time=(row.ended - row.intended) / 1e6,
            response_length=size,
            exception=FAILURES.get(Outcome(row.outcome)),
            context={},
        )

    # The conductor's side.

    def _become_conductor(self) -> None:
        for kind in (conducting.READY, working.ROWS, working.TALLY, working.DONE):
            self._hear(kind, partial(self._pass_on, kind))
        self.environment.events.test_start.add_listener(self._start)
        self.environment.events.test_stop.add_listener(self._interrupt)
        self.environment.events.quitting.add_listener(self._interrupt)
        gevent.signal_handler(signal.SIGINT, self._interrupt_and_quit)

    def _pass_on(self, kind: str, data: dict[str, Any]) -> None:
        """What a worker says, to the conductor of the run that is on."""
        if self.conductor is not None:
            self.conductor.hear(kind, data)

    def _start(self, **_: Any) -> None:
        gevent.spawn(self._conduct).link_exception(self._break_off)

    def _conduct(self) -> None:
        """A run, from what was given to what it says."""
        try:
            self.given = given_by_campaign() or given_by_hand(self.environment)
            self._hire()
        except SurgeError as error:
            self._say_and_quit(str(error), 2 if isinstance(error, InputError) else 3)

    def _hire(self) -> None:
        orders = self.given.orders
        load_protocol(orders.protocol)
        check_mailbox(orders)
        capacity, token = self.given.capacity, os.environ.get(ADMIN_TOKEN, "")
        check_draw(orders, capacity, token)
        workers = [""]
        if isinstance(self.runner, MasterRunner):
            workers = sorted(self.runner.clients, key=self.runner.get_worker_index)
        metrics = capacity.get("metrics", {})
        self.conductor = Conductor(
            orders, metrics, self.given.run_dir, workers, self._tell, self._over,
            Closing(orders, capacity, token), self.given.page,
        )  # fmt: skip
        self.conductor.run()

    def _break_off(self, greenlet: Any) -> None:
        """Something that nobody foresaw: its trace is in the log, and the run is invalid."""
        reason = f"the conductor broke off: {greenlet.exception!r}"
        if self.conductor is not None:
            self.conductor.break_off(reason)
        self._say_and_quit(reason, 3)

    def _say_and_quit(self, what: str, code: int) -> None:
        sys.stderr.write(f"surge: {what}\n")
        self.environment.process_exit_code = code
        gevent.spawn(self.runner.quit)

    def _tell(self, kind: str, data: dict[str, Any], worker: str) -> None:
        self.runner.send_message(kind, data, worker or None)

    def _over(self, status: str) -> None:
        code = EXIT_CODES[status]
        if self.given.by_hand:
            result = finish(
                self.given.run_dir,
                self.given.orders,
                self.given.capacity,
                Circumstances(time(), {}),
                os.environ.get(ADMIN_TOKEN, ""),
            )
            sys.stderr.write(told(result))
            code = result.exit_code
        self.environment.process_exit_code = code
        headless = self.environment.parsed_options.headless
        gevent.spawn(self.runner.quit if headless else self.runner.stop)

    def _interrupt(self, **_: Any) -> None:
        if self.conductor is not None and not self.conductor.status:
            self.conductor.interrupt()

    def _interrupt_and_quit(self) -> None:
        if self.conductor is None:  # nothing has begun, and Locust may sleep for workers
            os._exit(EXIT_CODES["interrupted"])
        self._interrupt()
        self.runner.quit()

    def _hear(self, kind: str, listener: Any) -> None:
        def heard(msg: Any, **_: Any) -> None:
            listener(msg.data)

        self.runner.register_message(kind, heard)


def begin(environment: Any, **_: Any) -> None:
    """Locust has made its runner: tie this process to the run."""
    if isinstance(environment.runner, LocalRunner | MasterRunner | WorkerRunner):
        Door(environment)


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(begin)  # type: ignore[no-untyped-call]
