"""Handing mail over by SMTP: a lean client that keeps its connection (RFC 5321, 2920, 6152).

With PIPELINING a mail takes two round trips: envelope and DATA together, then the message.
"""

from __future__ import annotations

import asyncio
from typing import cast

TIMEOUT_S = 30.0
_LONGEST_REPLY = 64 * 1024


class SmtpError(Exception):
    """The other side did not take the mail, for now (4xx, or no connection)."""


class SmtpRefusedError(SmtpError):
    """The other side will never take this mail (5xx)."""


class SmtpConnection(asyncio.Protocol):
    """One connection, one mail at a time; made by `connect`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._replies: list[tuple[int, str]] = []
        self._lines: list[str] = []
        self._expected = 0
        self._waiter: asyncio.Future[None] | None = None
        self._pipelining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(SmtpError(f"connection lost{f': {exc}' if exc else ''}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line = self._buffer[:end].decode("utf-8", "replace")
            del self._buffer[: end + 2]
            self._lines.append(line)
            if line[3:4] == "-":
                continue
            code = int(line[:3]) if line[:3].isdigit() else 0
            self._replies.append((code, "\n".join(self._lines)))
            self._lines = []
        if len(self._buffer) > _LONGEST_REPLY:
            self.close()
        if self._replies and len(self._replies) >= self._expected:
            self._end(None)

    def _end(self, problem: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            if problem is None:
                self._waiter.set_result(None)
            else:
                self._waiter.set_exception(problem)

    async def _exchange(self, data: bytes, replies: int) -> list[tuple[int, str]]:
        """Write, then wait for that many replies; raises SmtpError."""
        if self._transport is None:
            raise SmtpError("connection lost")
        self._expected = replies
        if data:
            self._transport.write(data)
        if len(self._replies) < replies:
            self._waiter = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(TIMEOUT_S):
                await self._waiter
        got, self._replies = self._replies[:replies], self._replies[replies:]
        return got

    async def greet(self) -> None:
        """Read the greeting, say EHLO."""
        _demand(await self._exchange(b"", 1), 220)
        told = await self._exchange(b"EHLO localhost\r\n", 1)
        _demand(told, 250)
        self._pipelining = "PIPELINING" in told[0][1].upper()

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand over one mail; raises SmtpError or SmtpRefusedError."""
        envelope = [f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"]
        try:
            await self._envelope([line.encode() + b"\r\n" for line in envelope])
            _demand(await self._exchange(_stuffed(message), 1), 250)
        except TimeoutError as problem:
            self.close()
            raise SmtpError("no answer in time") from problem

    async def _envelope(self, lines: list[bytes]) -> None:
        if self._pipelining:
            replies = await self._exchange(b"".join(lines), len(lines))
        else:
            replies = []
            for line in lines:
                replies += await self._exchange(line, 1)
                if replies[-1][0] >= 400:
                    break
        if replies[-1][0] == 354 and len(replies) == len(lines):
            if all(code < 400 for code, _ in replies):
                return
            await self._exchange(b".\r\n", 1)  # DATA was taken although the envelope was not
        bad = next((reply for reply in replies if reply[0] >= 400 or reply[0] < 200), replies[-1])
        if self._transport is not None:
            await self._exchange(b"RSET\r\n", 1)
        _demand([bad], 250)

    @property
    def lost(self) -> bool:
        """True when no more mail can go this way."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


async def connect(host: str, port: int) -> SmtpConnection:
    """A connection that has been greeted; raises SmtpError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, made = await loop.create_connection(SmtpConnection, host, port)
            try:
                await made.greet()
            except BaseException:
                made.close()
                raise
    except (OSError, TimeoutError) as problem:
        raise SmtpError(f"{host}:{port}: {str(problem) or 'no answer in time'}") from problem
    return made


def _demand(replies: list[tuple[int, str]], code: int) -> None:
    got, words = replies[-1]
    if got == code:
        return
    raise (SmtpRefusedError if 500 <= got < 600 else SmtpError)(words)


def _stuffed(message: bytes) -> bytes:
    """The message with its leading dots doubled and the end mark behind it."""
    if message.startswith(b"."):
        message = b"." + message
    message = message.replace(b"\r\n.", b"\r\n..")
    end = b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"
    return message + end
