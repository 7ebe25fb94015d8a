"""Receiving mail: a small SMTP server (RFC 5321) as an asyncio protocol, without tasks.

Spoken: EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP, VRFY, QUIT; PIPELINING (RFC 2920), 8BITMIME
(RFC 6152), SIZE (RFC 1870). No TLS and no login: it stands on a loopback or a private network.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Protocol, cast

from target_app.twins.sockets import reset

LARGEST_MAIL = 1024 * 1024
_LARGEST_LINE = 2048
_MOST_RECIPIENTS = 100
_PATH = re.compile(rb"(FROM|TO):\s*<([^<>\s]*)>(.*)", re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(rb"\bSIZE=(\d{1,12})", re.IGNORECASE)
_GREETING = b"250-surge mailbox twin\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE %d\r\n"


class Post(Protocol):
    """Takes mails, and says how the server behaves."""

    outage: str | None

    def take(self, recipients: list[bytes], mail: bytes) -> bytes:
        """The reply to a mail, without CRLF: 250 makes the post responsible for it."""


class Smtp(asyncio.Protocol):
    """One connection on which any number of mails may come."""

    def __init__(self, post: Post, connections: set[Smtp]) -> None:
        self._post = post
        self._connections = connections
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._greeted = False
        self._in_data = False
        self._searched = 0
        self._too_large = False
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._verbs: dict[bytes, Callable[[bytes], bytes]] = {
            b"EHLO": self._ehlo,
            b"HELO": self._helo,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._rset,
            b"NOOP": lambda _: b"250 OK",
            b"VRFY": lambda _: b"252 send some mail, and see",
            b"QUIT": lambda _: b"221 bye",
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        if self._post.outage == "refuse":
            self._transport.write(b"421 outage\r\n")
            self._transport.close()
        elif self._post.outage == "reset":
            reset(self._transport)
        elif self._post.outage is None:
            self._transport.write(b"220 surge mailbox twin ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._post.outage is not None:
            self._fail(self._post.outage)
            return
        self._buffer += data
        while self._transport is not None and (self._body() if self._in_data else self._line()):
            pass
        if self._replies and self._transport is not None:
            self._transport.write(b"\r\n".join(self._replies) + b"\r\n")
        self._replies.clear()
        if len(self._buffer) > _LARGEST_LINE and not self._in_data:
            self._close(b"500 line too long\r\n")

    def _fail(self, outage: str) -> None:
        if outage == "refuse":
            self._close(b"421 outage\r\n")
        elif outage == "reset" and self._transport is not None:
            reset(self._transport)

    def _close(self, last: bytes) -> None:
        if self._transport is not None:
            self._transport.write(last)
            self._transport.close()
            self._transport = None

    def close(self) -> None:
        """Say good-bye: the twin stops."""
        self._close(b"421 the mailbox twin stops\r\n")

    # one step through the buffer; False when more has to come first

    def _line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        answer = self._verbs.get(verb)
        self._replies.append(answer(rest.strip()) if answer else b"500 unknown command")
        if verb == b"QUIT" and self._transport is not None:
            self._transport.write(b"\r\n".join(self._replies) + b"\r\n")
            self._replies.clear()
            self._transport.close()
            self._transport = None
        return True

    def _end(self) -> int | None:
        """Where the mail is over, and its closing dot follows."""
        if self._buffer.startswith(b".\r\n"):
            return 0
        found = self._buffer.find(b"\r\n.\r\n", self._searched)
        return None if found < 0 else found + 2

    def _body(self) -> bool:
        buffer, end = self._buffer, self._end()
        if end is None:
            self._searched = max(len(buffer) - 4, 0)
            if len(buffer) > LARGEST_MAIL:
                self._too_large = True
                # Keep a body that can't be mistaken for its end, and the last four bytes.
                del buffer[: len(buffer) - 4]
                buffer[:0] = b"~"
                self._searched = 0
            return False
        mail = bytes(buffer[:end])
        del buffer[: end + 3]
        self._in_data = False
        self._replies.append(self._accept(mail))
        return True

    def _accept(self, mail: bytes) -> bytes:
        recipients, too_large = self._recipients, self._too_large
        self._forget()
        if too_large or len(mail) > LARGEST_MAIL:
            return b"552 the mail is larger than %d bytes" % LARGEST_MAIL
        if mail.startswith(b"."):
            mail = mail[1:]
        return self._post.take(recipients, mail.replace(b"\r\n.", b"\r\n"))

    # the verbs

    def _ehlo(self, rest: bytes) -> bytes:
        self._greeted = True
        self._forget()
        return _EHLO

    def _helo(self, rest: bytes) -> bytes:
        self._greeted = True
        self._forget()
        return b"250 surge mailbox twin"

    def _mail(self, rest: bytes) -> bytes:
        path = _PATH.fullmatch(rest)
        if not self._greeted:
            return b"503 say EHLO first"
        if self._sender is not None:
            return b"503 one MAIL at a time"
        if path is None or path[1].upper() != b"FROM":
            return b"501 write MAIL FROM:<address>"
        size = _SIZE.search(path[3])
        if size and int(size[1]) > LARGEST_MAIL:
            return b"552 the mail is larger than %d bytes" % LARGEST_MAIL
        self._sender = path[2]
        return b"250 OK"

    def _rcpt(self, rest: bytes) -> bytes:
        path = _PATH.fullmatch(rest)
        if self._sender is None:
            return b"503 say MAIL first"
        if path is None or path[1].upper() != b"TO" or b"@" not in path[2]:
            return b"501 write RCPT TO:<user@domain>"
        if len(self._recipients) >= _MOST_RECIPIENTS:
            return b"452 too many recipients"
        self._recipients.append(path[2])
        return b"250 OK"

    def _data(self, rest: bytes) -> bytes:
        if not self._recipients:
            return b"503 say RCPT first"
        self._in_data = True
        self._searched = 0
        return b"354 end with a line of one dot"

    def _rset(self, rest: bytes) -> bytes:
        self._forget()
        return b"250 OK"

    def _forget(self) -> None:
        self._sender = None
        self._recipients = []
        self._too_large = False


_EHLO = (_GREETING % LARGEST_MAIL)[:-2]
