"""Uploading a photo: three requests that are one attempt, two to the service, one to the store.

POST /photos                 leave: a name for the photo, and a signed URL of the photo store
PUT  the signed URL          the photo itself, with its SHA-256
POST /photos/NAME/complete   it is there: its SHA-256 and length, as the visitor knows them
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from loadtests.exchange import Request
from loadtests.photo import Photo
from workload.visit import Outcome

JSON: Final = ("Content-Type", "application/json")
JPEG: Final = ("Content-Type", "image/jpeg")
_URL: Final = re.compile(r"https?://[\w.\[\]:-]+/[!-~]*", re.ASCII)
_NAME: Final = re.compile(r"[\w-]+", re.ASCII)


class Ticket(msgspec.Struct):
    """Leave to upload one photo."""

    photo: str
    url: str


class Upload:
    """One attempt. `begin` gives the first request, `hear` the next one, or that it is done."""

    def __init__(self, photo: Photo, session: tuple[str, str]) -> None:
        self._photo, self._session = photo, session
        self._then: Callable[[bytes], Request | Outcome] = self._send
        self._path = ""

    def begin(self) -> Request:
        """Ask for leave."""
        return Request("POST", "/photos", headers=(self._session,))

    def hear(self, body: bytes) -> Request | Outcome:
        """What follows an accepted answer; msgspec.DecodeError when it can't be read."""
        return self._then(body)

    def _send(self, body: bytes) -> Request | Outcome:
        ticket = msgspec.json.decode(body, type=Ticket)
        if not (_NAME.fullmatch(ticket.photo) and _can_be_asked(ticket.url)):
            return Outcome.FAULT
        self._path, self._then = f"/photos/{ticket.photo}/complete", self._complete
        jpeg, digest = self._photo
        return Request("PUT", ticket.url, jpeg, (JPEG, ("X-Content-SHA256", digest)))

    def _complete(self, body: bytes) -> Request | Outcome:
        self._then = _done
        said = {"sha256": self._photo.sha256, "bytes": len(self._photo.jpeg)}
        return Request("POST", self._path, msgspec.json.encode(said), (JSON, self._session))


def _can_be_asked(url: str) -> bool:
    try:
        return _URL.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:  # no port, or half an address
        return False


def _done(_: bytes) -> Outcome:
    return Outcome.ACCEPTED
