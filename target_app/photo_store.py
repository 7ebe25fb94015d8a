"""The photo store seen from the service: signed URLs for people, facts for us.

Photos never pass through the service. It signs a URL for one photo, and when the person says
that the upload is done it asks the store what has arrived: nobody's word is taken for it.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import msgspec

from target_app.upstream import Upstream, UpstreamError

SIZE_LIMIT = 4 * 1024 * 1024
VALID_S = 900
TIMEOUT_S = 5.0


class Facts(msgspec.Struct):
    """What the store knows of a photo that it has taken: whole, a JPEG, of this digest."""

    sha256: str
    bytes: int


class Ticket(NamedTuple):
    """Leave to upload one photo until `expires`, seconds since the epoch."""

    photo: str
    url: str
    expires: int


class PhotoStoreError(Exception):
    """The store did not answer."""


class PhotoStore:
    """Signs uploads and asks for facts. A photo's name says whose it is, without a look-up."""

    def __init__(self, url: str, secret: bytes, asked: Callable[[float], None]) -> None:
        self._url = url
        self._secret = secret
        self._upstream = Upstream(url, TIMEOUT_S)
        self._asked = asked  # told the seconds that each question took
        self._decode = msgspec.json.Decoder(Facts).decode

    def _mark(self, registration: str, nonce: str) -> str:
        key = hmac.digest(self._secret, b"photo name", sha256)
        return hmac.digest(key, f"{registration}\n{nonce}".encode(), "sha256").hex()[:32]

    def ticket(self, registration: str) -> Ticket:
        """Leave for a registration to upload one photo."""
        nonce = secrets.token_hex(8)
        photo = f"{nonce}{self._mark(registration, nonce)}"
        expires = int(time.time()) + VALID_S
        text = f"{photo}\n{expires}\n{SIZE_LIMIT}"
        signature = hmac.new(self._secret, text.encode(), sha256).hexdigest()
        query = f"expires={expires}&size_limit={SIZE_LIMIT}&signature={signature}"
        return Ticket(photo, f"{self._url}/photos/{photo}?{query}", expires)

    def owns(self, registration: str, photo: str) -> bool:
        """True when this photo's ticket was given to this registration."""
        nonce, mark = photo[:16], photo[16:]
        return photo.isascii() and hmac.compare_digest(mark, self._mark(registration, nonce))

    async def facts(self, photo: str) -> Facts | None:
        """What the store has of a photo, None when nothing whole; raises PhotoStoreError."""
        began = time.perf_counter()
        try:
            reply = await self._upstream.ask("GET", f"/photos/{photo}")
        except UpstreamError as problem:
            raise PhotoStoreError(str(problem)) from problem
        finally:
            self._asked(time.perf_counter() - began)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise PhotoStoreError(f"status {reply.status}")
        return self._decode(reply.body)

    def close(self) -> None:
        """Hang up."""
        self._upstream.close()
