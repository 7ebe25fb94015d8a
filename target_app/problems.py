"""What the service says when it says no: RFC 9457 problem details, as exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

MEDIA = b"application/problem+json"


class Problem(Exception):  # noqa: N818 - the word of the RFC
    """An answer other than success. `detail` names the field, the value and the remedy."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "about:blank",
        errors: Sequence[dict[str, str]] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.errors = list(errors)
        self.headers = list(headers)

    def body(self) -> bytes:
        """The problem as JSON."""
        members: dict[str, Any] = {
            "type": self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            members["errors"] = self.errors
        return msgspec.json.encode(members)


def over_capacity(detail: str, retry_after_s: int = 1) -> Problem:
    """503 with Retry-After: the request was not refused for what it says, but for now."""
    return Problem(503, detail, headers=[(b"retry-after", b"%d" % retry_after_s)])


def unauthenticated(detail: str) -> Problem:
    """401 with the challenge that RFC 9110 demands."""
    return Problem(401, detail, headers=[(b"www-authenticate", b"Bearer")])
