"""Asking the civil registry, within its slots and its quota.

What can go wrong:

    RegistryError
    ├── RegistryBusyError      429 or 503: ask again later
    ├── RegistryFailedError    no answer in time, no connection, another 5xx: ask again later
    └── RegistryRefusedError   another 4xx: asking again will not help
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import msgspec


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


class _Link(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes, float]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._retry_after_s = 1.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(RegistryFailedError("registry: connection lost"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.isdigit():
            self._retry_after_s = float(value)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            status = self._parser.get_status_code()
            self._answer.set_result((status, self._body, self._retry_after_s))
        if not self._parser.should_keep_alive():
            self.close()

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes, float]]:
        """Send a request; (status, body, retry-after in seconds)."""
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._retry_after_s = 1.0
        if self.transport is None:
            self._answer.set_exception(RegistryFailedError("registry: connection lost"))
        else:
            self.transport.write(request)
        return self._answer

    def close(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None


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
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._path = f"{parts.path.rstrip('/')}/v1/checks"
        self._slots = asyncio.Semaphore(slots)
        self._gap_s = 1.0 / quota_per_s if quota_per_s else 0.0
        self._next_start = 0.0
        self._timeout_s = timeout_s
        self._called = called  # told waiting and service of each call, in seconds
        self._idle: list[_Link] = []

    async def check(self, nik: str, name: str, birth_date: str, waited_s: float = 0.0) -> bool:
        """Does the registry know this person? `waited_s`: waiting before this call was made.

        Raises RegistryBusyError, RegistryFailedError or RegistryRefusedError.
        """
        asked = time.perf_counter()
        async with self._slots:
            await self._pace()
            started = time.perf_counter()
            try:
                status, body, retry_after_s = await self._call(
                    msgspec.json.encode({"nik": nik, "name": name, "birth_date": birth_date})
                )
            finally:
                ended = time.perf_counter()
                self._called(waited_s + started - asked, ended - started)
        return _verdict(status, body, retry_after_s)

    async def _pace(self) -> None:
        if not self._gap_s:
            return
        now = time.monotonic()
        start = max(now, self._next_start)
        self._next_start = start + self._gap_s
        if start > now:
            await asyncio.sleep(start - now)

    async def _call(self, body: bytes) -> tuple[int, bytes, float]:
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        link: _Link | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                link = await self._link()
                answer = await link.ask(head.encode() + body)
        except (OSError, TimeoutError) as problem:
            if link is not None:
                link.close()
            raise RegistryFailedError(
                f"registry: {str(problem) or 'no answer in time'}"
            ) from problem
        if link.transport is not None:
            self._idle.append(link)
        return answer

    async def _link(self) -> _Link:
        while self._idle:
            link = self._idle.pop()
            if link.transport is not None and not link.transport.is_closing():
                return link
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(_Link, self._host, self._port)
        return made

    def close(self) -> None:
        """Hang up everywhere."""
        for link in self._idle:
            link.close()


def _verdict(status: int, body: bytes, retry_after_s: float) -> bool:
    if status in {429, 503}:
        raise RegistryBusyError(status, retry_after_s)
    if 400 <= status < 500 and status != 408:
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
