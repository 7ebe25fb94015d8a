"""Letters in the mailbox: what is kept of a mail, and for whom, within a bound.

A reader only ever asks for the newest letter of a kind, so that is what can be found. Each is
kept as one bytes object: millions of them cost no garbage collection.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections import deque
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from quopri import decodestring
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_HEADER = re.compile(
    rb"^(X-Surge-Kind|Subject|Content-Transfer-Encoding):[ \t]*((?:[^\r\n]|\r\n[ \t])*)\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_LINK = re.compile(rb"https?://[^\s<>\"']+")
_TOKEN = re.compile(rb"[?&#]token=([^&#\s]+)")
_SEPARATOR = b"\0"


class Letter(NamedTuple):
    """What a reader gets. `received_at` is seconds since the epoch."""

    kind: str
    subject: str
    link: str | None
    token: str | None
    received_at: float


def place(recipient: bytes, kind: bytes, *, spam: bool) -> bytes:
    """The key under which a letter lies; addresses are compared without regard to case."""
    return b"%s %s %s" % (b"spam" if spam else b"inbox", kind, recipient.lower())


def read_mail(mail: bytes) -> tuple[bytes, bytes, bytes]:
    """(kind, raw subject, first link) of a mail; each may be empty."""
    head, _, body = mail.partition(b"\r\n\r\n")
    headers = {name.lower(): value.strip() for name, value in _HEADER.findall(head)}
    encoding = headers.get(b"content-transfer-encoding", b"").lower()
    if encoding == b"quoted-printable":
        body = decodestring(body)
    elif encoding == b"base64":
        try:
            body = b64decode(body)
        except NotBase64:
            body = b""
    link = _LINK.search(body)
    kind = headers.get(b"x-surge-kind", b"").lower().replace(_SEPARATOR, b"")
    subject = headers.get(b"subject", b"").replace(_SEPARATOR, b"")
    return kind, subject, link[0].rstrip(b".,;:)").replace(_SEPARATOR, b"") if link else b""


class Letters:
    """The letters that can be found; beyond `most` the oldest are dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[bytes, bytes] = {}
        self._order: deque[bytes] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._order)

    def put(self, key: bytes, subject: bytes, link: bytes, received_at: float) -> None:
        record = _SEPARATOR.join((key, subject, link, b"%.6f" % received_at))
        self._found[key] = record
        self._order.append(record)
        if len(self._order) > self._most:
            oldest = self._order.popleft()
            self.dropped += 1
            key = oldest.partition(_SEPARATOR)[0]
            if self._found.get(key) is oldest:
                del self._found[key]

    def newest(self, key: bytes) -> Letter | None:
        """The newest letter in that place."""
        record = self._found.get(key)
        if record is None:
            return None
        key, subject, link, received_at = record.split(_SEPARATOR)
        token = _TOKEN.search(link)
        return Letter(
            kind=key.split(b" ")[1].decode("ascii", "replace"),
            subject=_readable(subject),
            link=link.decode("utf-8", "replace") if link else None,
            token=unquote_to_bytes(token[1]).decode("utf-8", "replace") if token else None,
            received_at=float(received_at),
        )


def _readable(subject: bytes) -> str:
    """The subject with its line folds and encoded words undone (RFC 2047)."""
    text = subject.replace(b"\r\n", b"").decode("utf-8", "replace")
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return text
