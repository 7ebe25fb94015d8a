"""One process of the reference system: started on a tether, watched, and stopped."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import BadInput, HarnessError, RunInvalid
from harness.placement import Cores
from harness.tether import tethered
from loadtests.target import open_directly

READY_WITHIN_S = 20.0
STOPPED_WITHIN_S = 3.0


@dataclass
class Child:
    """`ready` is the URL that answers 200 once the process can work."""

    name: str
    ready: str
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raises when the process has ended: BadInput for its own exit code 2, else RunInvalid."""
        code = self.process.poll()
        if code is None:
            return
        how = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit {code}"
        )
        kind: type[HarnessError] = BadInput if code == 2 else RunInvalid
        raise kind(f"{self.name} {how}:\n{last_lines(self.log)}")

    def answers(self) -> bool:
        try:
            with open_directly(self.ready, timeout=2) as response:
                return bool(response.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def await_ready(self) -> None:
        """Raises RunInvalid or BadInput when it ends first, RunInvalid when it takes too long."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.answers():
            self.check()
            if time.monotonic() > deadline:
                raise RunInvalid(
                    f"{self.name} was not ready within {READY_WITHIN_S:.0f} s at {self.ready}:\n"
                    f"{last_lines(self.log)}"
                )
            time.sleep(0.02)

    def ask_to_stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()

    def stop(self, deadline: float) -> None:
        """Gone when this returns, by force after the `deadline` (monotonic), children included."""
        self.ask_to_stop()
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()


def last_lines(log: Path, lines: int = 12) -> str:
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"  {line}" for line in text) or "  (its log is empty)"


def start(
    name: str,
    module: str,
    ready: str,
    *,
    environment: Mapping[str, str],
    cores: Cores | None,
    logs: Path,
) -> Child:
    """`python -m module` in a session of its own, so that Ctrl-C reaches only us."""
    log = logs / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            tethered([sys.executable, "-P", "-m", module], cores=cores),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    return Child(name, ready, log, process)


def stop_all(children: list[Child]) -> None:
    """All are asked before any is waited for, so that together they take no longer than one."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + STOPPED_WITHIN_S
    for child in children:
        child.stop(deadline)
