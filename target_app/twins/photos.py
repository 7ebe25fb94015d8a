"""The photo store's twin: takes a photo by a signed URL as a raw stream, checks it, forgets it.

PUT /photos/ID?expires=SECONDS&size_limit=BYTES&signature=HEX, where the signature is the
HMAC-SHA256 of ID, SECONDS and BYTES, joined by line feeds, with the secret that the service
shares. Only facts about a photo are kept, so that a nation's photos take no disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic, time
from urllib.parse import parse_qsl

from target_app.twins import settings as setting
from target_app.twins.chance import Draws, Quantiles
from target_app.twins.jpeg import Jpeg
from target_app.twins.process import run, serve_http, until_stopped
from target_app.twins.sockets import address, listen
from target_app.twins.timers import Timers
from target_app.twins.twin import Twin
from target_app.twins.web import Exchange

FIELDS: dict[str, tuple[str, str, setting.Reader]] = {
    "host": ("SURGE_HOST", "127.0.0.1", setting.host),
    "port": ("SURGE_PHOTOS_PORT", "8030", setting.PORT),
    "secret": ("SURGE_PHOTO_SECRET", "", setting.secret),
    "seed": ("SURGE_TWIN_SEED", "0", setting.whole(0, 2**63 - 1)),
    "keep": ("SURGE_PHOTOS_KEEP", "2000000", setting.whole(1, 100_000_000)),
    "latency": ("SURGE_PHOTOS_LATENCY", "0", setting.knots),
    "bandwidth": ("SURGE_PHOTOS_BANDWIDTH", "0", setting.number(0, 1e12)),
    "error": ("SURGE_PHOTOS_ERROR", "0", setting.number(0, 1)),
    "outage": ("SURGE_PHOTOS_OUTAGE", "", setting.outage),
}
CHANGEABLE = {name: FIELDS[name][2] for name in ("latency", "bandwidth", "error", "outage")}
_PATH = re.compile(rb"/photos/([A-Za-z0-9_-]{1,64})")
_WHOLE = re.compile(r"\d{1,15}", re.ASCII)
_SHA256 = re.compile(rb"[0-9a-fA-F]{64}")
# Bytes may run this far ahead of the bandwidth before reading pauses, seconds.
_AHEAD_S = 0.0005


@dataclass(frozen=True)
class Settings:
    """Limits of the store.

    `bandwidth` is bytes a second of each upload, 0 for no limit; `latency` follows the last byte;
    `error` is the share of 500s.
    """

    latency: Quantiles
    bandwidth: float
    error: float
    outage: str | None


class Refusal(Exception):  # noqa: N818 - it is the answer, not a fault of the twin
    """An upload that is not taken: a status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Upload:
    """One photo on its way in, no faster than the bandwidth."""

    def __init__(self, exchange: Exchange, limit: int, bandwidth: float, timers: Timers) -> None:
        self.jpeg = Jpeg()
        self.bytes = 0
        self._exchange = exchange
        self._limit = limit
        self._bandwidth = bandwidth
        self._timers = timers
        self._digest = hashlib.sha256()
        self._paused = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def due(self) -> float:
        """The monotonic time before which the bandwidth would not have let these bytes in."""
        if not self._bandwidth:
            return 0.0
        return self._exchange.arrived + self.bytes / self._bandwidth

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; Refusal when they are too many."""
        self.bytes += len(chunk)
        if self.bytes > self._limit:
            raise too_large(self._limit)
        self._digest.update(chunk)
        self.jpeg.feed(chunk)
        if not self._paused and self.due > monotonic() + _AHEAD_S:
            self._paused = True
            self._exchange.pause()
            self._timers.call_at(self.due, self._go_on)

    def _go_on(self, now: float) -> None:
        self._paused = False
        self._exchange.resume()


class Photos(Twin[Settings]):
    """Takes uploads. `taken` numbers them, and so addresses their draws."""

    def __init__(
        self, settings: Settings, secret: bytes, seed: int, keep: int, timers: Timers
    ) -> None:
        super().__init__(settings, CHANGEABLE, b"/settings")
        self._secret = secret
        self._keep = keep
        self._timers = timers
        self._uploads: dict[Exchange, Upload] = {}
        self._facts: OrderedDict[str, bytes] = OrderedDict()
        self._taken = 0
        self._bytes = 0
        self._lost = 0
        self._latency = Draws(seed, "latency")
        self._error = Draws(seed, "error")
        self.meters.gauges = {
            "surge_photos_kept": ("photos that are known", lambda: len(self._facts)),
            "surge_photos_uploads": ("uploads under way", lambda: len(self._uploads)),
        }
        self.meters.counters = {
            "surge_photos_bytes": ("bytes of complete photos", lambda: self._bytes),
            "surge_photos_lost": ("uploads whose client left", lambda: self._lost),
        }

    def begin(self, exchange: Exchange) -> None:
        path = _PATH.fullmatch(exchange.path)
        if path is None or exchange.method != b"PUT":
            return
        outage = self.settings.outage
        if outage == "reset":
            exchange.reset()
        elif outage == "refuse":
            self._answer(exchange, 503, "outage")
        elif outage == "hang":
            exchange.sink = lambda _: None
        else:
            self._admit(exchange, path[1].decode())

    def _admit(self, exchange: Exchange, photo: str) -> None:
        try:
            limit = signed_limit(self._secret, photo, exchange.query, time())
            check_headers(exchange.headers, limit)
        except Refusal as refusal:
            self._answer(exchange, refusal.status, str(refusal))
            return
        upload = Upload(exchange, limit, self.settings.bandwidth, self._timers)
        self._uploads[exchange] = upload
        exchange.sink = partial(self._receive, exchange, upload)
        exchange.on_gone = partial(self._lose, exchange)

    def _lose(self, exchange: Exchange) -> None:
        del self._uploads[exchange]
        self._lost += 1

    def _receive(self, exchange: Exchange, upload: Upload, chunk: bytes) -> None:
        try:
            upload.feed(chunk)
        except Refusal as refusal:
            del self._uploads[exchange]
            exchange.keep = False
            self._answer(exchange, refusal.status, str(refusal))

    def handle(self, exchange: Exchange) -> None:
        path = _PATH.fullmatch(exchange.path)
        if path is None:
            super().handle(exchange)
        elif exchange.method == b"GET":
            self._show_facts(exchange, path[1].decode())
        elif exchange.method != b"PUT":
            exchange.problem(405, "a photo is sent by PUT, its facts are read by GET")
        elif exchange in self._uploads:
            self._complete(exchange, path[1].decode())

    def _complete(self, exchange: Exchange, photo: str) -> None:
        upload = self._uploads[exchange]
        number = self._taken
        self._taken += 1
        latency = self.settings.latency.at(self._latency.at(number))
        failed = self._error.at(number) < self.settings.error
        due = max(monotonic(), upload.due) + latency

        def finish(now: float) -> None:
            if self._uploads.pop(exchange, None) is None:
                return  # the client has left
            self.meters.service.observe(due - exchange.arrived)
            self.meters.wait.observe(max(now - due, 0.0))
            if failed:
                self._answer(exchange, 500, "the store failed, as its error setting asks")
            else:
                self._judge(exchange, photo, upload)

        if due <= monotonic():
            finish(due)
        else:
            self._timers.call_at(due, finish)

    def _judge(self, exchange: Exchange, photo: str, upload: Upload) -> None:
        expected = exchange.headers[b"x-content-sha256"].decode().lower()
        sha256, fault = upload.sha256, upload.jpeg.finish()
        if sha256 != expected:
            self._answer(exchange, 422, f"the bytes that came have SHA-256 {sha256}")
        elif fault is not None:
            self._answer(exchange, 422, f"this is no whole JPEG: {fault}")
        else:
            self._keep_facts(photo, upload, sha256)
            self.meters.statuses[200] += 1
            exchange.json(200, {"sha256": sha256, "bytes": upload.bytes})

    def _keep_facts(self, photo: str, upload: Upload, sha256: str) -> None:
        self._bytes += upload.bytes
        facts = {
            "id": photo,
            "sha256": sha256,
            "bytes": upload.bytes,
            "width": upload.jpeg.width,
            "height": upload.jpeg.height,
            "received_at": round(time(), 6),
        }
        self._facts[photo] = json.dumps(facts).encode()
        self._facts.move_to_end(photo)
        if len(self._facts) > self._keep:
            self._facts.popitem(last=False)

    def _show_facts(self, exchange: Exchange, photo: str) -> None:
        facts = self._facts.get(photo)
        if facts is None:
            exchange.problem(404, f"there is no photo {photo}")
        else:
            exchange.answer(200, facts)

    def _answer(self, exchange: Exchange, status: int, reason: str) -> None:
        self.meters.statuses[status] += 1
        exchange.problem(status, reason)


def too_large(limit: int) -> Refusal:
    return Refusal(413, f"the photo is larger than {limit} bytes")


def check_headers(headers: Mapping[bytes, bytes], limit: int) -> None:
    """Refusal when the photo is announced too large, or without its SHA-256."""
    if int(headers.get(b"content-length", b"0")) > limit:
        raise too_large(limit)
    if _SHA256.fullmatch(headers.get(b"x-content-sha256", b"")) is None:
        raise Refusal(422, "send the photo's SHA-256 in X-Content-SHA256, 64 hex digits")


def signature(secret: bytes, photo: str, expires: str, size_limit: str) -> str:
    """HMAC-SHA256 in hexadecimal digits, over the values as they stand in the URL."""
    text = f"{photo}\n{expires}\n{size_limit}"
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def signed_limit(secret: bytes, photo: str, query: bytes, now: float) -> int:
    """The size limit, bytes, of a URL that is signed and in time; else Refusal with 403."""
    asked = dict(parse_qsl(query.decode("ascii", "replace")))
    expires, limit = asked.get("expires", ""), asked.get("size_limit", "")
    if not _WHOLE.fullmatch(expires) or not _WHOLE.fullmatch(limit):
        raise Refusal(403, "the URL needs expires, size_limit and signature")
    if not hmac.compare_digest(
        signature(secret, photo, expires, limit).encode(), asked.get("signature", "").encode()
    ):
        raise Refusal(403, "the signature does not fit the URL")
    if int(expires) < now:
        raise Refusal(403, "the URL has expired; ask the service for a new one")
    return int(limit)


async def main() -> None:
    """Serve until stopped."""
    values = setting.from_environment(FIELDS)
    host, port, secret = values.pop("host"), values.pop("port"), values.pop("secret")
    seed, keep = values.pop("seed"), values.pop("keep")
    listener = listen(host, port, "SURGE_PHOTOS_PORT")
    timers = Timers(asyncio.get_running_loop())
    stop = await serve_http(Photos(Settings(**values), secret, seed, keep, timers), listener)
    await until_stopped("photos", f"http://{address(listener)}")
    stop()
    timers.close()


if __name__ == "__main__":
    sys.exit(run("photos", main))
