"""One connection to the target: a non-blocking socket, a C parser, and one exchange at a time.

The socket is watched from birth to death, not per request: an answer is parsed as it comes in, and
a server that hangs up while the connection is idle is noticed at once. Nothing is ever sent twice.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Final

from gevent import get_hub
from gevent.hub import Waiter
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from loadtests.exchange import NONSENSE, READ_TIMEOUT, RESET, Answer

READABLE: Final = 1
WRITABLE: Final = 2
RECEIVE: Final = 65_536
PEEK: Final = 0x02 | 0x40  # MSG_PEEK | MSG_DONTWAIT
#: Errors of connect that are the generator's own: the run must not go on as if nothing were.
EXHAUSTED: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}
)


class Cipher:
    """TLS without a socket: what is sent is sealed, what comes in is opened."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def handshake(self, received: bytes) -> tuple[bool, bytes]:
        """(is it done, what to send now); raises ssl.SSLError when the peer is not trusted."""
        self._incoming.write(received)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False, self._outgoing.read()
        return True, self._outgoing.read()

    def seal(self, plain: bytes) -> bytes:
        self._tls.write(plain)
        return self._outgoing.read()

    def open(self, received: bytes) -> bytes:
        """What can be read so far; empty when a record is not whole yet."""
        self._incoming.write(received)
        opened = []
        try:
            while piece := self._tls.read(RECEIVE):
                opened.append(piece)
        except ssl.SSLWantReadError:
            pass
        return b"".join(opened)


def within(deadline_ns: int, wait: Callable[[Waiter[Any]], None], late: object) -> Any:
    """What a callback gives the waiter, or ``late`` once ``deadline_ns`` (monotonic) has passed."""
    hub = get_hub()
    waiter: Waiter[Any] = Waiter(hub)
    timer = hub.loop.timer(max(deadline_ns - monotonic_ns(), 0) / 1e9)
    timer.start(waiter.switch, late, update=True)
    try:
        wait(waiter)
        return waiter.get()
    finally:
        timer.close()


class Connection:
    """One exchange at a time; ``usable`` says whether there may be another."""

    __slots__ = (
        "_answer", "_chunks", "_cipher", "_head", "_headed", "_keeps", "_parser", "_readable",
        "_rest", "_socket", "_waiter", "_writable", "idle_since_ns", "usable",
    )  # fmt: skip

    def __init__(self, socket: Any, cipher: Cipher | None = None) -> None:
        loop = get_hub().loop
        self._socket = socket
        self._cipher = cipher
        self._parser = HttpResponseParser(self)
        self._waiter: Waiter[Answer] | None = None
        self._answer: Answer | None = None
        self._chunks: list[bytes] = []
        self._head = b""
        self._headed = False
        self._keeps = False
        self._rest: memoryview | None = None
        self._writable: Any = None
        self.usable = True
        self.idle_since_ns = 0
        self._readable = loop.io(socket.fileno(), READABLE)
        self._readable.start(self._receive)

    def exchange(self, request: bytes, deadline_ns: int) -> Answer:
        """Send a request, wait for its whole answer, at most until ``deadline_ns`` (monotonic)."""
        self._answer, self._head, self._headed, self._keeps = None, b"", False, False
        self._chunks = []

        def send(waiter: Waiter[Answer]) -> None:
            self._waiter = waiter
            self._send(memoryview(self._cipher.seal(request) if self._cipher else request))

        answer: Answer = within(deadline_ns, send, READ_TIMEOUT)
        self._waiter = None
        self.usable = self.usable and self._keeps and self._rest is None
        if not self.usable:
            self.close()
        return answer

    def is_quiet(self) -> bool:
        """Whether an idle connection can carry a request: not closed, and nothing unasked came."""
        if not self.usable:
            return False
        try:
            self._socket.recv(1, PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Give the socket back; an exchange under way ends as reset."""
        if self._socket is None:
            return
        self.usable = False
        self._readable.close()
        if self._writable is not None:
            self._writable.close()
        self._socket.close()
        self._socket = None

    def _send(self, data: memoryview) -> None:
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._receive()  # a server may answer and hang up before it has read everything
            self._finish(RESET)
            return
        if sent == len(data):
            self._rest = None
            if self._writable is not None:
                self._writable.stop()
            return
        self._rest = data[sent:]
        if self._writable is None:
            self._writable = get_hub().loop.io(self._socket.fileno(), WRITABLE)
        self._writable.start(self._send_rest)

    def _send_rest(self) -> None:
        if self._rest is not None:
            self._send(self._rest)

    def _receive(self) -> None:
        """Called by the loop whenever bytes or an end have come in."""
        try:
            data = self._socket.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            self._finish(RESET)
            return
        try:
            if not data:
                self._finish(self._ended())
            elif self._waiter is None:  # nobody has asked for anything
                self.close()
            else:
                self._parse(self._cipher.open(data) if self._cipher else data)
        except (HttpParserError, HttpParserUpgrade):
            self._finish(NONSENSE)
        except ssl.SSLError:
            self._finish(RESET)

    def _parse(self, data: bytes) -> None:
        if not self._headed:
            self._head += data
        self._parser.feed_data(data)
        if self._answer is not None:
            waiter, self._waiter = self._waiter, None
            if waiter is not None:
                waiter.switch(self._answer)

    def _ended(self) -> Answer:
        """The server closed: whole if the body's length was left open, else a reset."""
        head = self._head.partition(b"\r\n\r\n")[0].lower()
        measured = b"\ncontent-length:" in head or b"\ntransfer-encoding:" in head
        if self._headed and not measured:
            return Answer(self._parser.get_status_code(), b"".join(self._chunks))
        return RESET

    def _finish(self, answer: Answer) -> None:
        """The connection is over, and so is an exchange under way."""
        self._keeps = False
        waiter, self._waiter = self._waiter, None
        self.close()
        if waiter is not None:
            waiter.switch(answer)

    # What the parser calls.

    def on_headers_complete(self) -> None:
        self._headed = self._parser.get_status_code() >= 200

    def on_body(self, piece: bytes) -> None:
        self._chunks.append(piece)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # 1xx only announces the answer
            self._answer = Answer(status, b"".join(self._chunks))
            self._keeps = self._parser.should_keep_alive()
