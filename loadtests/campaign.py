"""A campaign: one run from its plan to its run directory. Locust runs in processes of its own.

Importing this imports neither Locust nor gevent: they patch the process that they are in.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any, Final

from loadtests.live import Address, check_address
from loadtests.orders import GIVEN, Orders, check_draw, check_mailbox
from loadtests.protocol import DEFAULT, anywhere, load_protocol
from loadtests.rundir import (
    PROGRESS,
    RESULT,
    CampaignResult,
    Circumstances,
    finish,
    make_run_dir,
)
from loadtests.speed_probe import speed_index
from loadtests.target import capacity_of, check_ownership, wait_until_ready
from loadtests.tether import CORES, PARENT
from workload.errors import InvalidRunError
from workload.manifest import Bending
from workload.scenario import Scenario

ROOT: Final = Path(__file__).resolve().parent.parent
LOCUSTFILE: Final = ROOT / "loadtests" / "locustfile.py"
ADMIN_TOKEN: Final = "SURGE_ADMIN_TOKEN"  # noqa: S105 - the name of the variable
LOCUST: Final = (sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless")
LOOK_S: Final = 0.25
#: The master waits so long for workers on this machine, and so long for people on other ones.
START_S: Final = 60
JOIN_S: Final = 600
#: A worker that ends with it has told the master why.
TOLD: Final = 3
#: A generator that was asked to stop has so long to write its record.
STOP_S: Final = 30.0
LEAVE_S: Final = 5.0

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class CampaignPlan:
    """What is driven against what. Spans in seconds.

    ``window_s``: a stretch of the arrival curve, None for all of it. ``workers``: processes that
    generate load here; with more than one there is also a master. ``cores``: where they may run.
    ``joining``: how many more come from other machines (loadtests/joiner.py), to ``listen``; beside
    them ``workers`` may be 0.
    ``mailbox``: URL where mail is read; '' for what the target's /capacity says.
    ``page``: (host, port) where Prometheus may watch the run, None for nowhere.
    ``admin_token``: '' takes SURGE_ADMIN_TOKEN; with neither no ledger is exported, and a run that
    reaches its scenario's draw can't begin.
    """

    scenario: Scenario
    target: str
    run_dir: Path
    window_s: tuple[float, float] | None = None
    thin: float = 1.0
    population: float | None = None
    speed: float = 1.0
    pauses: float = 1.0
    drain_s: float = 60.0
    workers: int = 1
    joining: int = 0
    listen: tuple[str, int] = ("127.0.0.1", 0)
    cores: tuple[int, ...] = ()
    protocol: str = DEFAULT
    headers: Mapping[str, str] = field(default_factory=dict)
    mailbox: str = ""
    yes_i_own: str = ""
    admin_token: str = field(default="", repr=False)
    page: Address | None = None

    @property
    def bending(self) -> Bending:
        """How the run differs from its scenario."""
        window = self.window_s or (0.0, self.scenario.curve.duration_s)
        return Bending(window, self.thin, self.population, self.speed, self.pauses)

    def orders(self, mailbox: str) -> Orders:
        """What the workers are told."""
        return Orders(
            scenario=self.scenario.table,
            reading=self.scenario.reading,
            bending=self.bending,
            target=self.target,
            mailbox=self.mailbox or mailbox,
            protocol=anywhere(self.protocol),
            headers=self.headers,
            drain_s=self.drain_s,
        )


def run_campaign(plan: CampaignPlan, progress: Progress | None = None) -> CampaignResult:
    """Drive the plan and write its run directory.

    Ctrl-C ends the run early: the result then says interrupted; a second one kills the generator.
    ``progress`` is called about once a second with where the run is.
    Raises InputError for a plan that can't be driven, InvalidRunError when the target is not
    healthy or nothing at all was recorded; both before anything else is written.
    """
    check_ownership(plan.target, plan.yes_i_own)
    load_protocol(plan.protocol)
    if plan.page:
        check_address(plan.page)
    wait_until_ready(plan.target, plan.headers)
    capacity = capacity_of(plan.target, plan.headers)
    orders = plan.orders(str(capacity.get("mailbox", "")))
    check_mailbox(orders)
    token = plan.admin_token or os.environ.get(ADMIN_TOKEN, "")
    check_draw(orders, capacity, token)
    make_run_dir(plan.run_dir)
    generator = Generator(plan, orders, capacity, token)
    before = speed_index(plan.cores, capacity)
    began = time()
    lost = generator.drive(progress)
    ending = Circumstances(
        began_unix=began,
        facts={
            "processes": plan.workers + plan.joining,
            "cores": list(plan.cores),
            "speed": {"before": before, "after": speed_index(plan.cores, capacity)},
        },
        lost=tuple(lost),
        interrupted=generator.interrupted,
    )
    return finish(plan.run_dir, orders, capacity, ending, token)


class Generator:
    """Locust's processes: one, or a master and several workers."""

    def __init__(
        self, plan: CampaignPlan, orders: Orders, capacity: Mapping[str, Any], token: str
    ) -> None:
        self._plan, self._token = plan, token
        self.interrupted = False
        given = {
            "orders": orders.plain(),
            "capacity": dict(capacity),
            "run_dir": str(plan.run_dir.resolve()),
            "page": plan.page,
        }
        self._environment = {**environment_of(plan.cores), GIVEN: json.dumps(given)}
        self._workers: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []

    def drive(self, progress: Progress | None) -> list[str]:
        """Run to the end; why it is invalid, as far as its processes show it."""
        try:
            chief = self._start()
            self._wait(chief, progress)
        except BaseException:
            for process in self._all:
                process.terminate()
            raise
        finally:
            self._leave()
        self._check_company(chief.returncode)
        return self._lost()

    def _check_company(self, code: int) -> None:
        """InvalidRunError when the master has waited in vain: Locust ends with 1 then."""
        begun = any((self._plan.run_dir / name).exists() for name in (RESULT, PROGRESS))
        if code != 1 or begun or not self._plan.joining:
            return
        raise InvalidRunError(
            f"fewer than {self._plan.joining} workers joined within {JOIN_S:g} s; "
            f"see {self._plan.run_dir / 'logs' / 'master.log'}"
        )

    def _start(self) -> subprocess.Popen[bytes]:
        """Start everything; the process that ends when the run is over."""
        local, remote = self._plan.workers, self._plan.joining
        if local == 1 and not remote:
            return self._locust("locust", [])
        host, port = self._plan.listen[0], str(self._plan.listen[1] or _free_port())
        patience = JOIN_S if remote else START_S
        master = self._locust("master", [
            "--master", "--master-bind-host", host, "--master-bind-port", port,
            "--expect-workers", str(local + remote), "--expect-workers-max-wait", str(patience),
        ])  # fmt: skip
        reach = "127.0.0.1" if host in ("*", "0.0.0.0") else host  # noqa: S104 - compared only
        for number in range(local):
            self._workers.append(self._locust(f"worker-{number}", worker_options(reach, port)))
        return master

    def _locust(self, name: str, options: list[str]) -> subprocess.Popen[bytes]:
        command = [*LOCUST, "--only-summary", *options]
        environment = self._environment
        if "--worker" not in options:
            command += ["--host", self._plan.target]
            environment = {**environment, ADMIN_TOKEN: self._token}
        with (self._plan.run_dir / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
        self._all.append(process)
        return process

    def _wait(self, chief: subprocess.Popen[bytes], progress: Progress | None) -> None:
        """Until Locust's chief process has ended. Ctrl-C asks it to end; a second kills it."""
        asked_at, shown = math.inf, 0.0
        while True:
            try:
                with suppress(subprocess.TimeoutExpired):
                    chief.wait(LOOK_S)
                    return
                shown = self._show(progress, shown)
                if monotonic() - asked_at > STOP_S:
                    chief.kill()
            except KeyboardInterrupt:
                if self.interrupted:
                    chief.kill()
                self.interrupted, asked_at = True, min(asked_at, monotonic())
                chief.send_signal(signal.SIGINT)

    def _show(self, progress: Progress | None, shown: float) -> float:
        """Tell where the run is when that is news; ``shown`` and the answer are seconds of it."""
        path = self._plan.run_dir / PROGRESS
        if progress is None or not path.exists():
            return shown
        now: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if now["at_s"] != shown:
            progress(now)
        return float(now["at_s"])

    def _leave(self) -> None:
        """Whatever happened, no process of ours stays."""
        deadline = monotonic() + LEAVE_S
        for process in self._all:
            try:
                process.wait(max(deadline - monotonic(), 0.0) if process.poll() is None else 0.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _lost(self) -> list[str]:
        return [
            f"worker lost: process {number} ended with {worker.returncode}"
            for number, worker in enumerate(self._workers)
            if worker.returncode not in (0, TOLD)
        ]


def worker_options(host: str, port: str) -> list[str]:
    """What makes Locust a worker. Failed attempts are the record's affair, no fault of it."""
    master = ["--master-host", host, "--master-port", port]
    return ["--worker", *master, "--exit-code-on-error", "0"]


def environment_of(cores: tuple[int, ...]) -> dict[str, str]:
    """Of the generator's processes: our rooms, their tether, and no orders of another campaign."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    inherited = {name: value for name, value in os.environ.items() if name != GIVEN}
    own = {PARENT: str(os.getpid()), CORES: ",".join(str(core) for core in cores)}
    return {**inherited, "PYTHONPATH": path, **own}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
