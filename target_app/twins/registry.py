"""The civil registry's twin: answers whether a NIK is known, within slots and a quota.

A check that finds a free slot holds it for a latency drawn from the quantile knots. Over the
slots it is refused at once with 503, over the quota with 429; a refused check uses up neither.
The work goes on when the client has left, as it would at the ministry.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from math import ceil
from time import monotonic

import msgspec

from target_app.twins import settings as setting
from target_app.twins.chance import Draws, Quantiles
from target_app.twins.nik import known
from target_app.twins.process import run, serve_http, until_stopped
from target_app.twins.sockets import address, listen
from target_app.twins.timers import Timers
from target_app.twins.twin import Twin
from target_app.twins.web import Exchange

FIELDS: dict[str, tuple[str, str, setting.Reader]] = {
    "host": ("SURGE_HOST", "127.0.0.1", setting.host),
    "port": ("SURGE_REGISTRY_PORT", "8010", setting.PORT),
    "seed": ("SURGE_TWIN_SEED", "0", setting.whole(0, 2**63 - 1)),
    "slots": ("SURGE_REGISTRY_TWIN_SLOTS", "16", setting.whole(1, 1_000_000)),
    "quota_per_s": ("SURGE_REGISTRY_TWIN_QUOTA_PER_S", "0", setting.number(0, 1e6)),
    "latency": (
        "SURGE_REGISTRY_TWIN_LATENCY", "0.010,0.020,0.030,0.060,0.120", setting.knots,
    ),
    "error": ("SURGE_REGISTRY_TWIN_ERROR", "0", setting.number(0, 1)),
    "outage": ("SURGE_REGISTRY_TWIN_OUTAGE", "", setting.outage),
}  # fmt: skip
CHANGEABLE = {
    name: FIELDS[name][2] for name in ("slots", "quota_per_s", "latency", "error", "outage")
}


@dataclass(frozen=True)
class Settings:
    """Limits of the registry. `quota_per_s` 0 means none; `error` is the share of 500s."""

    slots: int
    quota_per_s: float
    latency: Quantiles
    error: float
    outage: str | None


class Check(msgspec.Struct, forbid_unknown_fields=True):
    """The question whether a person is in the books."""

    nik: str
    name: str
    birth_date: str


class Quota:
    """A token bucket that holds one second's worth, and at least one token."""

    def __init__(self, per_s: float, now: float) -> None:
        self.per_s = per_s
        self._size = max(per_s, 1.0)
        self._tokens = self._size
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there will be one."""
        if self.per_s == 0:
            return 0.0
        self._tokens = min(self._size, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self.per_s
        self._tokens -= 1.0
        return 0.0


class Registry(Twin[Settings]):
    """Answers checks. `accepted` numbers them, and so addresses their draws."""

    def __init__(self, settings: Settings, seed: int, timers: Timers) -> None:
        super().__init__(settings, CHANGEABLE, b"/v1/settings")
        self._timers = timers
        self._quota = Quota(settings.quota_per_s, monotonic())
        self._busy = 0
        self._accepted = 0
        self._latency = Draws(seed, "latency")
        self._error = Draws(seed, "error")
        self._decode = msgspec.json.Decoder(Check).decode
        self.meters.gauges = {
            "surge_twin_slots": ("checks answered at once", lambda: self.settings.slots),
            "surge_twin_busy_slots": ("slots taken now", lambda: self._busy),
        }
        self.routes[b"POST", b"/v1/checks"] = self._check

    def changed(self, names: set[str]) -> None:
        if "quota_per_s" in names:
            self._quota = Quota(self.settings.quota_per_s, monotonic())

    def _check(self, exchange: Exchange) -> None:
        settings = self.settings
        statuses = self.meters.statuses
        if settings.outage is not None:
            self._fail(exchange, settings.outage)
            return
        if self._busy >= settings.slots:
            statuses[503] += 1
            exchange.problem(503, f"all {settings.slots} slots are busy", b"retry-after: 1\r\n")
            return
        try:
            asked = self._decode(exchange.body)
        except msgspec.MsgspecError as fault:
            statuses[422] += 1
            exchange.problem(422, f"{fault}; send nik, name and birth_date as strings")
            return
        pause = self._quota.take(exchange.arrived)
        if pause > 0:
            statuses[429] += 1
            exchange.problem(
                429,
                f"over the quota of {settings.quota_per_s:g} checks a second",
                b"retry-after: %d\r\n" % ceil(pause),
                retry_after_s=round(pause, 6),
            )
            return
        self._take_slot(exchange, asked.nik)

    def _take_slot(self, exchange: Exchange, nik: str) -> None:
        number = self._accepted
        self._accepted += 1
        self._busy += 1
        latency = self.settings.latency.at(self._latency.at(number))
        status = 500 if self._error.at(number) < self.settings.error else 200

        def finish(now: float) -> None:
            self._busy -= 1
            meters = self.meters
            meters.statuses[status] += 1
            meters.service.observe(latency)
            meters.wait.observe(max(now - exchange.arrived - latency, 0.0))
            if status == 200:
                exchange.answer(200, b'{"match": true}' if known(nik) else b'{"match": false}')
            else:
                exchange.problem(500, "the registry failed, as its error setting asks")

        self._timers.call_at(exchange.arrived + latency, finish)

    def _fail(self, exchange: Exchange, outage: str) -> None:
        """Checks meet the outage; settings stay reachable, or nobody could end it."""
        if outage == "reset":
            exchange.reset()
        elif outage == "refuse":
            self.meters.statuses[503] += 1
            exchange.problem(503, "outage")


async def main() -> None:
    """Serve until stopped."""
    values = setting.from_environment(FIELDS)
    host, port, seed = values.pop("host"), values.pop("port"), values.pop("seed")
    listener = listen(host, port, "SURGE_REGISTRY_PORT")
    timers = Timers(asyncio.get_running_loop())
    stop = await serve_http(Registry(Settings(**values), seed, timers), listener)
    await until_stopped("registry", f"http://{address(listener)}")
    stop()
    timers.close()


if __name__ == "__main__":
    sys.exit(run("registry", main))
