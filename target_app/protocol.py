"""uvicorn's HTTP protocol, with the clock started at the first byte and a deadline for the head.

uvicorn waits for ever for the rest of a request's head, so a client that sends one byte a minute
holds its connection; here it has HEAD_DEADLINE_S from the first byte of a head to its last.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_DEADLINE_S = 10.0


class Protocol(HttpToolsProtocol):
    """One connection. `scope["surge.received"]`: perf_counter at the first byte of the request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._received = 0.0
        self._head_timer: asyncio.TimerHandle | None = None
        self._requests = 0

    def connection_made(self, transport: Any) -> None:
        """A client came: it has to send a whole head in time."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_DEADLINE_S, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came; a head that does not end with them gets a deadline."""
        self._received = time.perf_counter()
        begun = self._requests
        super().data_received(data)
        if self._requests != begun:
            self._stop_timer()
        elif self._head_timer is None and self._between_requests():
            self._head_timer = self.loop.call_later(HEAD_DEADLINE_S, self._late)

    def _between_requests(self) -> bool:
        return self._requests == 0 or self.cycle.response_complete

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._requests += 1
        super().on_headers_complete()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["surge.received"] = self._received  # type: ignore[typeddict-unknown-key]

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
