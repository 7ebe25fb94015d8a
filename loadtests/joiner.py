"""A machine that generates load for a campaign of another one: find its master, help, and leave."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from loadtests.campaign import LEAVE_S, LOCUST, ROOT, environment_of, worker_options
from workload.errors import InvalidRunError

#: A master may be starting; whoever is not there after so long is not coming.
FIND_S: Final = 10.0
AGAIN_S: Final = 0.25
ANSWER_S: Final = 2.0
#: The first ten bytes that ZeroMQ says on a new connection, of which eight may be anything.
GREETING: Final = 10
WORDS_OF_LOG: Final = 12


def wait_for_master(host: str, port: int, within_s: float = FIND_S) -> None:
    """Return when a master answers there; InvalidRunError that says why ``within_s`` later."""
    deadline, last = monotonic() + within_s, "no answer"
    while (left := deadline - monotonic()) > 0:
        try:
            if _greets(host, port, min(left, ANSWER_S)):
                return
            last = "something else listens there"
        except OSError as error:
            last = str(error)
        sleep(min(AGAIN_S, max(deadline - monotonic(), 0.0)))
    raise InvalidRunError(
        f"no master at {host}:{port} within {within_s:g} s ({last}): start it first, with --master "
        f"N --listen HOST:{port}, and let the network between the machines pass that port"
    )


def _greets(host: str, port: int, timeout_s: float) -> bool:
    with socket.create_connection((host, port), timeout_s) as peer:
        greeting = b""
        while len(greeting) < GREETING and (piece := peer.recv(GREETING - len(greeting))):
            greeting += piece
    return greeting[:1] == b"\xff" and greeting[-1:] == b"\x7f"


def join_campaign(host: str, port: int, log: Path, cores: tuple[int, ...] = ()) -> None:
    """Generate load for the campaign whose master is there, until its run ends.

    The clocks of the machines must agree (NTP): run time 0 is an instant of the wall clock.
    Raises InvalidRunError when there is no master, when this machine was of no use, or when it was
    cut off. KeyboardInterrupt takes the worker out of the run, which is invalid then.
    """
    wait_for_master(host, port)
    command = [*LOCUST, *worker_options(host, str(port))]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment_of(cores),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
    try:
        code = process.wait()
    except BaseException:
        _take_out(process)
        raise
    if code:
        raise InvalidRunError(f"the worker ended with exit {code}:\n{_last_words(log)}")


def _take_out(process: subprocess.Popen[bytes]) -> None:
    """It says goodbye to the master; where that can't be heard, it goes without."""
    process.terminate()
    try:
        process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path) -> str:
    """What it said of its own fault, else the end of its log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    own = [line.removeprefix("surge: ") for line in lines if line.startswith("surge: ")]
    return "\n".join(own or lines[-WORDS_OF_LOG:])
