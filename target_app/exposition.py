"""A metrics port of its own: one page, `/metrics`, from whatever renders the text."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

_HEAD_LIMIT = 8192
_READ_TIMEOUT_S = 5.0


class Exposition:
    """Serves the Prometheus text on one socket; a scrape never queues behind the service."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        self._text = text
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Serve on a socket that listens already."""
        self._server = await asyncio.start_server(self._answer, sock=listening, limit=_HEAD_LIMIT)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _READ_TIMEOUT_S)
                writer.write(self._response(head.split(b"\r\n", 1)[0]))
                await writer.drain()
        except (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            TimeoutError,
            ConnectionError,
        ):
            pass  # the client left, or sent no request: nothing to say to it
        finally:
            writer.close()

    def _response(self, line: bytes) -> bytes:
        words = line.split(b" ")
        path = words[1].partition(b"?")[0] if len(words) == 3 else b""
        if path == b"/metrics":
            status, body = b"200 OK", self._text()
        elif path == b"/healthz":
            status, body = b"200 OK", b"alive\n"
        else:
            status, body = b"404 Not Found", b"only /metrics and /healthz are here\n"
        return (
            b"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (status, len(body), body)
        )
