"""Asking the civil registry, within its slots and its quota.

What can go wrong:

    RegistryError
    ├── RegistryBusyError      429 or 503: ask again later
    ├── RegistryFailedError    no answer in time, no connection, any other status: ask again later
    └── RegistryRefusedError   400 or 422: this question is wrong, and asking again will not help
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from target_app.upstream import Reply, Upstream, UpstreamError


class RegistryError(Exception):
    """The registry gave no verdict."""


class RegistryBusyError(RegistryError):
    """Over its slots or its quota; `retry_after_s` is its own wish, in seconds."""

    def __init__(self, status: int, retry_after_s: float) -> None:
        super().__init__(f"registry: {status}")
        self.retry_after_s = retry_after_s


class RegistryFailedError(RegistryError):
    """It could not be asked, or it failed."""


class RegistryRefusedError(RegistryError):
    """It will never answer this question."""


class RegistryClient:
    """At most `slots` calls at once, starts at least 1/quota apart, first come, first served."""

    def __init__(
        self,
        url: str,
        slots: int,
        quota_per_s: float,
        timeout_s: float,
        called: Callable[[float, float], None],
    ) -> None:
        self._upstream = Upstream(url, timeout_s)
        self._slots = asyncio.Semaphore(slots)
        self._gap_s = 1.0 / quota_per_s if quota_per_s else 0.0
        self._next_start = 0.0
        self._called = called  # told waiting and service of each call, in seconds

    async def check(self, nik: str, name: str, birth_date: str, waited_s: float = 0.0) -> bool:
        """Does the registry know this person? `waited_s`: waiting before this call was made.

        Raises RegistryBusyError, RegistryFailedError or RegistryRefusedError.
        """
        asked = time.perf_counter()
        async with self._slots:
            await self._pace()
            started = time.perf_counter()
            question = {"nik": nik, "name": name, "birth_date": birth_date}
            try:
                reply = await self._upstream.ask(
                    "POST", "/v1/checks", msgspec.json.encode(question)
                )
            except UpstreamError as problem:
                raise RegistryFailedError(f"registry: {problem}") from problem
            finally:
                ended = time.perf_counter()
                self._called(waited_s + started - asked, ended - started)
        return _verdict(reply)

    async def _pace(self) -> None:
        if not self._gap_s:
            return
        now = time.monotonic()
        start = max(now, self._next_start)
        self._next_start = start + self._gap_s
        if start > now:
            await asyncio.sleep(start - now)

    def close(self) -> None:
        """Hang up everywhere."""
        self._upstream.close()


def _verdict(reply: Reply) -> bool:
    status, body, retry_after_s = reply
    if status in {429, 503}:
        raise RegistryBusyError(status, retry_after_s)
    if status in {400, 422}:
        raise RegistryRefusedError(f"registry: {status} {body[:200]!r}")
    if status != 200:
        raise RegistryFailedError(f"registry: {status}")
    try:
        told: Any = msgspec.json.decode(body)
        match = told["match"]
    except (msgspec.DecodeError, KeyError, TypeError) as problem:
        raise RegistryFailedError(f"registry: no verdict in {body[:200]!r}") from problem
    if not isinstance(match, bool):
        raise RegistryFailedError(f"registry: match is {match!r}, not true or false")
    return match
