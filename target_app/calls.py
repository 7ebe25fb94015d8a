"""One request on its way through the service, and the answer to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from target_app.problems import Problem

BODY_LIMIT = 64 * 1024
JSON = b"application/json"
HTML = b"text/html; charset=utf-8"

_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """Status, body, media type, and further headers."""

    status: int
    body: bytes
    media: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


class Stream(NamedTuple):
    """An answer whose body comes in pieces."""

    status: int
    pieces: AsyncIterator[bytes]
    media: bytes


def answer(status: int, value: Any) -> Answer:
    """A JSON answer."""
    return Answer(status, _encode(value))


class Call:
    """A request: ASGI's scope and receive, and what handlers want to know of them."""

    __slots__ = ("names", "receive", "scope")

    def __init__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], names: Sequence[str]
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.names = names  # the variable parts of the path, in order

    def header(self, name: bytes) -> bytes | None:
        """The first header of that lower-case name."""
        for key, value in self.scope["headers"]:
            if key == name:
                return bytes(value)
        return None

    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer` header."""
        value = self.header(b"authorization")
        if value is None or value[:7].lower() != b"bearer ":
            return None
        return value[7:].strip().decode("latin-1")

    def query(self) -> str:
        """The query string, undecoded."""
        return bytes(self.scope.get("query_string", b"")).decode("latin-1")

    async def body(self) -> bytes:
        """The whole body; Problem 413 beyond BODY_LIMIT, 415 when it is said not to be JSON."""
        media = self.header(b"content-type")
        if media is not None and not media.lower().startswith(JSON):
            raise Problem(415, f"content-type: {media.decode('latin-1')}; send application/json")
        message = await self.receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            if len(body) > BODY_LIMIT:
                break
            message = await self.receive()
            body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise Problem(413, f"body: more than {BODY_LIMIT} bytes; send less")
        return body


Handler = Callable[[Call], Awaitable[Answer | Stream]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the route table: served by the dispatcher and told by the OpenAPI document."""

    step: str  # the word in metrics; the journey's word where it is a step
    method: str
    path: str
    handler: Handler
    summary: str
    body: type | None = None
    answers: dict[int, Any] = field(default_factory=dict)  # status: type or description
    bearer: str = ""  # name of the security scheme
    media: str = "application/json"
    counted: bool = True  # False: outside admission, the operator's own
