"""uvicorn's HTTP protocol, with the clock started at the first byte and a deadline for the last.

uvicorn waits for ever for the rest of a request, so a client that sends one byte a minute holds
its connection; here it has RECEIVE_DEADLINE_S from the first byte of a request to its last.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

RECEIVE_DEADLINE_S = 15.0


class Protocol(HttpToolsProtocol):
    """One connection. `scope["surge.received"]`: perf_counter at the first byte of the request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._received = 0.0
        self._receiving = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client came: its first request has to be whole in time."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(RECEIVE_DEADLINE_S, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came; a request that does not end with them has a deadline."""
        self._received = time.perf_counter()
        super().data_received(data)
        if not self._receiving:
            self._stop_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(RECEIVE_DEADLINE_S, self._late)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._receiving = True
        super().on_message_begin()
        self.scope["surge.received"] = self._received  # type: ignore[typeddict-unknown-key]

    def on_message_complete(self) -> None:
        """The last byte of a request is here."""
        self._receiving = False
        super().on_message_complete()

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()
