"""The visitors' HTTP client: keep-alive connections, requests that are sent once, honest failures.

    connection does not stand in time      CONNECT_TIMEOUT
    no whole answer in time                READ_TIMEOUT
    refused, reset or closed               RESET
    an answer that is no HTTP              FAULT
    anything else                          the status, whatever it is

A connection that the server closed while it was idle is found out before it is used again. The
answer "closed" between that look and the request is a RESET like any other: nothing is retried,
because a browser that retries hides what the service did.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Mapping
from time import monotonic_ns
from typing import Any, Final
from urllib.parse import urlsplit

from gevent import get_hub, monkey
from gevent import socket as names
from gevent.hub import Waiter

from loadtests.exchange import CONNECT_TIMEOUT, RESET, Answer, Request
from loadtests.target import host_of
from loadtests.wire import (
    EXHAUSTED,
    READABLE,
    RECEIVE,
    WRITABLE,
    Cipher,
    Connection,
    within,
)
from workload.errors import Fault, InputError, InvalidRunError

#: Below the 5 s after which uvicorn closes an idle connection.
IDLE_S: Final = 4.0
#: The socket that gevent has not wrapped: it is non-blocking, and the loop watches it for us.
Socket: Final[Any] = monkey.get_original("socket", "socket")
IN_TIME: Final = True
LATE: Final = False


class Client:
    """Asks one target, and whatever other host a request's URL names: it was sent there.

    ``headers`` go with every request to the target, never elsewhere: they may hold its secrets.
    Idle connections live ``idle_s``.

    Raises InputError for a URL or header that can't be used, InvalidRunError when this machine
    has run out of sockets.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, idle_s: float = IDLE_S
    ) -> None:
        parts = urlsplit(url)
        self._host = host_of(url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        self._base = parts.path.rstrip("/")
        self._family, *_, self._address = _resolve(url, self._host, port)
        self._context = ssl.create_default_context() if secure else None
        common = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "surge"}
        self._common = "".join(
            _line(name, value) for name, value in (common | dict(headers or {})).items()
        )
        self._idle: list[Connection] = []
        self._idle_ns = round(idle_s * 1e9)
        self._elsewhere: dict[str, Client] = {}
        self.asked = 0
        self._connected = 0

    @property
    def connected(self) -> int:
        """Connections that were tried so far, here and elsewhere."""
        return self._connected + sum(other.connected for other in self._elsewhere.values())

    def ask(self, request: Request, connect_deadline_ns: int, deadline_ns: int) -> Answer:
        """The answer to a request; both deadlines are instants of the monotonic clock."""
        if not request.path.startswith("/"):
            return self._ask_elsewhere(request, connect_deadline_ns, deadline_ns)
        self.asked += 1
        connection = self._take() or self._connect(min(connect_deadline_ns, deadline_ns))
        if isinstance(connection, Answer):
            return connection
        answer = connection.exchange(self._render(request), deadline_ns)
        if connection.usable:
            connection.idle_since_ns = monotonic_ns()
            self._idle.append(connection)
        return answer

    def _ask_elsewhere(
        self, request: Request, connect_deadline_ns: int, deadline_ns: int
    ) -> Answer:
        """Ask the host that stands in the URL; what is asked and connected there is ours too."""
        scheme, host, path, query, _ = urlsplit(request.path)
        origin = f"{scheme}://{host}"
        other = self._elsewhere.get(origin)
        if other is None:
            other = self._elsewhere[origin] = Client(origin, idle_s=self._idle_ns / 1e9)
        there = request._replace(path=f"{path or '/'}{f'?{query}' if query else ''}")
        self.asked += 1
        return other.ask(there, connect_deadline_ns, deadline_ns)

    def close(self) -> None:
        """Close what is idle, here and elsewhere."""
        for other in self._elsewhere.values():
            other.close()
        self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _render(self, request: Request) -> bytes:
        method, path, body, headers = request
        head = f"{method} {self._base}{path} HTTP/1.1\r\n{self._common}"
        for name, value in headers:
            head += f"{name}: {value}\r\n"
        if body or method not in ("GET", "DELETE"):
            head += f"Content-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode("latin-1") + body

    def _take(self) -> Connection | None:
        """The connection that was used last, if it is fresh and still open."""
        oldest = monotonic_ns() - self._idle_ns
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since_ns < oldest:  # so are all below it
                connection.close()
                self._drop_idle()
                return None
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    def _connect(self, deadline_ns: int) -> Connection | Answer:
        self._connected += 1
        try:
            socket = Socket(self._family, names.SOCK_STREAM)
        except OSError as error:
            raise _exhausted(error) from error
        failure = self._open(socket, deadline_ns)
        if failure is None and self._context is not None:
            cipher = Cipher(self._context, self._host)
            failure = _shake_hands(socket, cipher, deadline_ns)
            if failure is None:
                return Connection(socket, cipher)
        if failure is None:
            return Connection(socket)
        socket.close()
        return failure

    def _open(self, socket: Any, deadline_ns: int) -> Answer | None:
        """Connect; the failure, or None when the connection stands."""
        socket.setblocking(False)
        socket.setsockopt(names.IPPROTO_TCP, names.TCP_NODELAY, 1)
        code = socket.connect_ex(self._address)
        if code == errno.EINPROGRESS:
            if not _until(socket, WRITABLE, deadline_ns):
                return CONNECT_TIMEOUT
            code = socket.getsockopt(names.SOL_SOCKET, names.SO_ERROR)
        if code in EXHAUSTED:
            raise _exhausted(OSError(code, errno.errorcode[code]))
        if code == errno.ETIMEDOUT:
            return CONNECT_TIMEOUT
        return RESET if code else None


def _shake_hands(socket: Any, cipher: Cipher, deadline_ns: int) -> Answer | None:
    """Agree on TLS; the failure, or None."""
    received = b""
    try:
        while True:
            done, reply = cipher.handshake(received)
            socket.sendall(reply)  # a few hundred bytes into an empty buffer
            if done:
                return None
            if not _until(socket, READABLE, deadline_ns):
                return CONNECT_TIMEOUT
            received = socket.recv(RECEIVE)
            if not received:
                return RESET
    except OSError:  # ssl.SSLError is one
        return RESET


def _until(socket: Any, event: int, deadline_ns: int) -> bool:
    """Wait until a socket is readable or writable; False when the deadline came first."""
    watcher = get_hub().loop.io(socket.fileno(), event)

    def watch(waiter: Waiter[bool]) -> None:
        watcher.start(waiter.switch, IN_TIME)

    try:
        return bool(within(deadline_ns, watch, LATE))
    finally:
        watcher.close()


def _resolve(url: str, host: str, port: int) -> Any:
    try:
        return names.getaddrinfo(host, port, 0, names.SOCK_STREAM)[0]
    except OSError as error:
        raise InvalidRunError(
            f"{url}: the name {host} has no address ({error.strerror})"
        ) from error


def _line(name: str, value: str) -> str:
    if any(mark in name + value for mark in "\r\n") or not name or ":" in name:
        remedy = "write NAME: VALUE on one line"
        raise InputError("header", [Fault("header", f"{name}: {value}", remedy)])
    return f"{name}: {value}\r\n"


def _exhausted(error: OSError) -> InvalidRunError:
    remedy = "raise `ulimit -n`, or use more load machines"
    return InvalidRunError(f"the generator ran out of sockets ({error.strerror}): {remedy}")
