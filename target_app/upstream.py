"""Asking another service over HTTP/1.1: keep-alive connections, a deadline, and no retry."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools


class UpstreamError(Exception):
    """No whole answer came: no connection, a lost one, or not in time."""


class Reply(NamedTuple):
    """An answer. `retry_after_s` is the server's wish, or 1.0 where it has none."""

    status: int
    body: bytes
    retry_after_s: float


class _Link(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._retry_after_s = 1.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(UpstreamError("connection lost"))

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
        if self._reply is not None and not self._reply.done():
            status = self._parser.get_status_code()
            self._reply.set_result(Reply(status, self._body, self._retry_after_s))
        if not self._parser.should_keep_alive():
            self.close()

    def ask(self, request: bytes) -> asyncio.Future[Reply]:
        """Send a request."""
        self._reply = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._retry_after_s = 1.0
        if self.transport is None:
            self._reply.set_exception(UpstreamError("connection lost"))
        else:
            self.transport.write(request)
        return self._reply

    def close(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None


class Upstream:
    """A server that is asked. Connections are opened as needed and kept."""

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._base = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._idle: list[_Link] = []

    async def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        """The reply to a request with a JSON body or none; raises UpstreamError."""
        head = (
            f"{method} {self._base}{path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        link: _Link | None = None
        whole = False
        try:
            async with asyncio.timeout(self._timeout_s):
                link = await self._link()
                reply = await link.ask(head.encode() + body)
            whole = True
        except (OSError, TimeoutError) as problem:
            raise UpstreamError(str(problem) or "no answer in time") from problem
        finally:
            if link is not None:
                self._put_back(link, usable=whole)
        return reply

    def _put_back(self, link: _Link, *, usable: bool) -> None:
        """Keep a link for the next; one whose answer is still to come would mix them up."""
        if not usable:
            link.close()
        elif link.transport is not None:
            self._idle.append(link)

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
        self._idle.clear()
