"""The HTTP door of the twins: httptools on an asyncio protocol, no task and no await per request.

An ASGI server hides the transport, and the twins need it: to reset connections on purpose, and
to slow a body down. Answers leave in the order of the requests, so pipelining is safe.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import monotonic, time
from typing import Protocol, cast

import httptools

from target_app.twins.sockets import reset

LARGEST_JSON = 64 * 1024
_PIPELINED = 32
_REASONS = {int(status): status.phrase.encode() for status in HTTPStatus}

Json = dict[str, object] | list[object]


class App(Protocol):
    """What a twin does with requests."""

    def begin(self, exchange: Exchange) -> None:
        """Called after the headers; may set `exchange.sink`, and may answer at once."""

    def handle(self, exchange: Exchange) -> None:
        """Called after the body, unless answered before. Answers now or later, exactly once."""


class Exchange:
    """One request and the answer to it. `arrived` is monotonic, seconds."""

    __slots__ = (
        "_door", "arrived", "body", "complete", "headers", "keep", "method", "on_gone", "output",
        "path", "query", "sink",
    )  # fmt: skip

    def __init__(self, door: Door, url: bytes, headers: dict[bytes, bytes], method: bytes) -> None:
        path, _, query = url.partition(b"?")
        self._door = door
        self.arrived = 0.0
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = b""
        self.sink: Callable[[bytes], None] | None = None
        self.on_gone: Callable[[], None] | None = None
        self.output: bytes | None = None
        self.complete = False
        self.keep = True

    def answer(
        self,
        status: int,
        body: bytes = b"",
        kind: bytes = b"application/json",
        headers: bytes = b"",
    ) -> None:
        """Send the answer; `headers` are whole lines, each ended by CRLF."""
        if self.output is not None:
            raise RuntimeError(f"answered twice: {self.path!r}")
        lines = b"HTTP/1.1 %d %s\r\ndate: %s\r\n" % (status, _REASONS[status], _date())
        if not self.keep:
            lines += b"connection: close\r\n"
        if status == HTTPStatus.NO_CONTENT:
            self.output = b"%s%s\r\n" % (lines, headers)
        else:
            self.output = b"%scontent-type: %s\r\ncontent-length: %d\r\n%s\r\n%s" % (
                lines, kind, len(body), headers, body,
            )  # fmt: skip
        self.on_gone = None
        self._door.flush()

    def json(self, status: int, value: Json, headers: bytes = b"") -> None:
        self.answer(status, json.dumps(value).encode(), headers=headers)

    def problem(self, status: int, detail: str, headers: bytes = b"", **more: object) -> None:
        """An error as RFC 9457 has it."""
        title = HTTPStatus(status).phrase
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
        self.answer(status, json.dumps(body).encode(), b"application/problem+json", headers)

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        self._door.reset()

    def pause(self) -> None:
        """Stop reading from this connection, so that TCP slows the sender down."""
        self._door.pause()

    def resume(self) -> None:
        self._door.resume()


class Door(asyncio.Protocol):
    """One HTTP connection."""

    def __init__(self, app: App, connections: set[Door]) -> None:
        self._app = app
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._open: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._chunks: list[bytes] = []
        self._received = 0
        self._headers: dict[bytes, bytes] = {}
        self._url = b""
        self._crowded = False
        self._transport: asyncio.Transport | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)
        for exchange in self._open:
            if exchange.on_gone is not None:
                exchange.on_gone()
                exchange.on_gone = None
        self._open.clear()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a fault of the twin, not of the client: the loop logs it and closes
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):
            self._refuse(b"400 Bad Request")

    # httptools' side

    def on_message_begin(self) -> None:
        self._headers = {}
        self._chunks = []
        self._received = 0
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        method = self._parser.get_method()
        exchange = Exchange(self, self._url, self._headers, method)
        exchange.keep = self._parser.should_keep_alive()
        exchange.arrived = monotonic()
        self._current = exchange
        self._open.append(exchange)
        self._app.begin(exchange)
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            if exchange.output is None:
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
            else:
                self.close()  # refused, so its body may never come
        if len(self._open) >= _PIPELINED:
            self._crowded = True
            self.pause()

    def on_body(self, chunk: bytes) -> None:
        exchange = self._current
        if exchange is None or exchange.output is not None:
            return  # answered early: the rest of the body is read and dropped
        if exchange.sink is not None:
            exchange.sink(chunk)
            return
        self._received += len(chunk)
        if self._received > LARGEST_JSON:
            exchange.keep = False
            exchange.problem(413, f"the body is larger than {LARGEST_JSON} bytes")
            return
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        exchange = self._current
        self._current = None
        if exchange is None:
            return
        exchange.complete = True
        if exchange.output is not None:
            self.flush()
            return
        if exchange.sink is None:
            exchange.body = b"".join(self._chunks)
        self._app.handle(exchange)

    # the exchanges' side

    def flush(self) -> None:
        """Write the answers that are due, in order of the requests."""
        ready = self._open
        while ready and ready[0].output is not None:
            exchange = ready[0]
            if exchange.output:
                self._write(exchange.output)
                exchange.output = b""
            if not exchange.complete:
                return  # its body is still coming; nothing may overtake it
            ready.popleft()
            if not exchange.keep:
                self.close()
                return
        if self._crowded and len(ready) < _PIPELINED:
            self._crowded = False
            self.resume()

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._crowded:
            self._transport.resume_reading()

    def reset(self) -> None:
        if self._transport is not None:
            reset(self._transport)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _refuse(self, status: bytes) -> None:
        self._write(b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
        self.close()


def _date() -> bytes:
    return _date_at(int(time()))


@lru_cache(maxsize=1)
def _date_at(second: int) -> bytes:
    """The Date header; formatted once a second."""
    return formatdate(second, usegmt=True).encode()
