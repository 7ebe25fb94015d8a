"""The operator's part of a campaign: at the hour that the scenario says, the wave is closed.

The service then draws the wave's seats and opens the next wave. One process of a run does this, the
one with the conductor, so with any number of workers a wave is closed once. A target that does not
say at /capacity that it has waves (`wave_quota`) is left alone, and so is a run that does not reach
the hour.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPException
from time import time
from typing import Any, Final

import gevent

from loadtests.orders import Orders, draw_of, has_waves
from loadtests.rundir import CLOSED, FAILED
from loadtests.target import open_directly

ROUTE: Final = "/waves/current/close"
#: The service gives its draw ten minutes for each of two statements.
ANSWER_S: Final = 1300.0
#: A service that is over capacity is asked again so often, so far apart.
TRIES: Final = 5
AGAIN_S: Final = 2.0
#: A draw that is under way when the last visitor has left is waited for.
PATIENCE_S: Final = 20.0

NOT_REACHED: Final = "not reached"
PASSED: Final = "passed before the window"
NO_WAVES: Final = "the target has no waves"


@dataclass
class Wave:
    """What became of a run's wave, as the manifest keeps it. Times in seconds of the run.

    ``state``: closed, failed (``why``), not reached, passed before the window, or that the target
    has no waves. ``wave``, ``quota``, ``joined``, ``drawn``: as the service answered.
    """

    closes_s: float
    state: str = NOT_REACHED
    asked_s: float = 0.0
    answered_s: float = 0.0
    wave: int = 0
    quota: int = 0
    joined: int = 0
    drawn: int = 0
    why: str = ""


class Closing:
    """Closes the wave of one run, in the background. ``wave``: None where the run has no draw."""

    def __init__(self, orders: Orders, capacity: Mapping[str, Any], token: str) -> None:
        self._orders, self._token = orders, token
        self._seed = orders.load().seed
        self._greenlet: Any = None
        self._base_s = 0.0
        found = draw_of(orders)
        self.wave = Wave(found[1]) if found else None
        self._seats = found[0].seats if found else 0
        if self.wave and not has_waves(capacity):
            self.wave.state = NO_WAVES
        elif self.wave and self.wave.closes_s < 0:
            self.wave.state = PASSED

    def start(self, base_unix_ns: int) -> None:
        """Wait for the hour; run time 0 is that instant of the wall clock."""
        self._base_s = base_unix_ns / 1e9
        if self.wave and self.wave.state == NOT_REACHED:
            self._greenlet = gevent.spawn(self._close, self.wave)

    def end(self) -> str:
        """The run is over: why the wave that was to be closed is not, '' where nothing is wrong."""
        if self.wave is None or self._greenlet is None:
            return ""
        if self.wave.asked_s:
            self._greenlet.join(PATIENCE_S)
        self._greenlet.kill()
        if self.wave.asked_s and self.wave.state == NOT_REACHED:
            self._fail(self.wave, f"no answer within {PATIENCE_S:g} s of the last visit's end")
        return f"the wave was not closed: {self.wave.why}" if self.wave.state == FAILED else ""

    def facts(self) -> dict[str, Any]:
        """For the manifest: {} without a draw."""
        return {"wave": asdict(self.wave)} if self.wave else {}

    def _close(self, wave: Wave) -> None:
        gevent.sleep(max(self._base_s + wave.closes_s - time(), 0.0))
        wave.asked_s = time() - self._base_s
        for last in (False,) * (TRIES - 1) + (True,):
            status, said = self._ask()
            if status != 503 or last:
                break
            gevent.sleep(AGAIN_S)
        if status != 200:
            self._fail(wave, said)
            return
        try:
            told = json.loads(said)
            for name in ("wave", "quota", "joined", "drawn"):
                setattr(wave, name, int(told[name]))
        except (ValueError, KeyError, TypeError):
            self._fail(wave, f"{self._url} answered what is no draw: {said[:80]}")
            return
        wave.answered_s, wave.state = time() - self._base_s, CLOSED

    def _fail(self, wave: Wave, why: str) -> None:
        wave.answered_s, wave.state, wave.why = time() - self._base_s, FAILED, why

    @property
    def _url(self) -> str:
        return f"{self._orders.target.rstrip('/')}{ROUTE}"

    def _ask(self) -> tuple[int, str]:
        """(status, the answer or what is wrong with it); 0 without an answer.

        Nothing is asked again whose answer was lost: it may have closed the wave, and the next
        call would close another one. A 503 says that it has not.
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url,
            json.dumps({"seed": self._seed, "seats": self._seats}).encode(),
            {
                **self._orders.headers,
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
            },
            method="POST",
        )
        try:
            with open_directly(request, timeout=ANSWER_S) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, f"{self._url} answered {error.code}: {_detail(error.read())}"
        except (OSError, HTTPException) as error:
            return 0, f"{self._url}: {getattr(error, 'reason', error)}"


def _detail(body: bytes) -> str:
    """The sentence of a problem document, else the beginning of whatever was answered."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body[:80].decode(errors="replace")
