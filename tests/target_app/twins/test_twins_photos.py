"""The photo store's twin: signed URLs, whole JPEGs, and its limits."""

import hashlib
import hmac
import io
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from target_app.twins.jpeg import Jpeg
from tests.target_app.twins.running import Answer, RunningTwin, running

SECRET = "a secret of the tests"


def picture(width: int = 320, height: int = 200, *, progressive: bool = False) -> bytes:
    """A JPEG of noise, which compresses badly, as photos do."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=85, progressive=progressive)
    return file.getvalue()


PHOTO = picture()


@pytest.fixture
def photos() -> Iterator[RunningTwin]:
    with running("photos", SURGE_PHOTO_SECRET=SECRET) as twin:
        yield twin


def url(photo: str = "photo-1", *, limit: int = 2_000_000, lasts: int = 60) -> str:
    """A signed path, made here from the documented text alone."""
    expires = int(time.time()) + lasts
    text = f"{photo}\n{expires}\n{limit}".encode()
    signature = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    return f"/photos/{photo}?expires={expires}&size_limit={limit}&signature={signature}"


def digest(body: bytes) -> dict[str, str]:
    return {"X-Content-SHA256": hashlib.sha256(body).hexdigest()}


def put(
    twin: RunningTwin, path: str, body: bytes = PHOTO, sha256_of: bytes | None = None
) -> Answer:
    return twin.call("PUT", path, body, headers=digest(body if sha256_of is None else sha256_of))


def settings(twin: RunningTwin, **values: object) -> None:
    answer = twin.call("PUT", "/settings", values)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("body", [PHOTO, picture(progressive=True), picture(1600, 1200)])
def test_a_whole_photo_is_taken_and_its_facts_can_be_read(photos: RunningTwin, body: bytes) -> None:
    """A retry is taken too."""
    sha256 = hashlib.sha256(body).hexdigest()
    for _ in range(2):
        answer = put(photos, url(), body)
        assert (answer.status, answer.json) == (200, {"sha256": sha256, "bytes": len(body)})
    facts = photos.call("GET", "/photos/photo-1").json
    size = Image.open(io.BytesIO(body)).size
    assert (facts["sha256"], facts["bytes"]) == (sha256, len(body))
    assert (facts["width"], facts["height"]) == size
    assert photos.call("GET", "/photos/photo-2").status == 404
    assert photos.call("DELETE", "/photos/photo-1").status == 405


@pytest.mark.parametrize("kept", [0, 1, 2, 10, 400, len(PHOTO) // 2, len(PHOTO) - 1])
def test_a_truncated_photo_is_refused_wherever_it_was_cut(photos: RunningTwin, kept: int) -> None:
    """Its SHA-256 is that of the piece, so only its structure tells."""
    answer = put(photos, url(), PHOTO[:kept])
    assert answer.status == 422
    assert f"cut short after {kept} bytes" in answer.json["detail"]
    assert photos.call("GET", "/photos/photo-1").status == 404


def frame(height: int, width: int) -> bytes:
    return b"\xff\xc0\x00\x0b\x08" + bytes((0, height, 0, width)) + b"\x01\x01\x11\x00"


SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
WHOLE = b"\xff\xd8" + frame(8, 8) + SCAN + b"\x12\xff\x00\xff\xd0\x34\xff\xff\xd9"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (WHOLE, None),
        (b"GIF89a", "no start marker|marker was expected"),
        (b"\xff\xd9", "no start marker"),
        (WHOLE + b"\x00", "bytes after the end"),
        (WHOLE[2:], "no start marker"),
        (b"\xff\xd8\xff\xd9", "before any scan"),
        (b"\xff\xd8" + SCAN + b"\x12\xff\xd9", "before any frame"),
        (b"\xff\xd8" + frame(0, 8) + SCAN + b"\x12\xff\xd9", "without size"),
        (b"\xff\xd8" + frame(8, 8) + SCAN + b"\xff\xd9", "before any scan"),
        (b"\xff\xd8\xff\xd8", "has no place"),
        (b"\xff\xd8\xff\xe0\x00\x01", "of length 1"),
        (b"\xff\xd8\x00", "marker was expected"),
        (b"\xff\xd8" + frame(8, 8) + SCAN + b"\x12\xff", "cut short"),
    ],
)
def test_the_structure_is_judged_the_same_however_the_bytes_are_cut(
    body: bytes, fault: str | None
) -> None:
    """In one piece, byte by byte, and in threes."""
    verdicts = set()
    for size in (1, 3, len(body)):
        jpeg = Jpeg()
        for at in range(0, len(body), size):
            jpeg.feed(body[at : at + size])
        verdicts.add(jpeg.finish())
    assert len(verdicts) == 1
    verdict = verdicts.pop()
    assert (verdict is None) == (fault is None)
    assert fault is None or any(part in str(verdict) for part in fault.split("|"))


def test_other_bytes_than_announced_are_refused(photos: RunningTwin) -> None:
    """And so is a photo that announces nothing."""
    assert put(photos, url(), sha256_of=b"another").status == 422
    answer = photos.call("PUT", url(), PHOTO)
    assert (answer.status, "X-Content-SHA256" in answer.json["detail"]) == (422, True)


def test_only_a_url_that_the_service_signed_opens_the_store(photos: RunningTwin) -> None:
    """Every part of it is covered, and it ends with its time."""
    good = url()
    forged = [
        good.replace("photo-1", "photo-2"),
        good.replace("size_limit=2000000", "size_limit=9000000"),
        good.replace("expires=1", "expires=2"),
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.partition("&signature")[0],
        good.partition("?")[0],
        good + "%C3%A9",
    ]
    assert [put(photos, path).status for path in forged] == [403] * 7
    expired = put(photos, url(lasts=-1))
    assert (expired.status, "expired" in expired.json["detail"]) == (403, True)
    assert put(photos, good).status == 200
    assert photos.metrics()["surge_twin_requests_total{status=403}"] == 8


def test_a_photo_over_its_limit_is_refused_before_it_has_come(photos: RunningTwin) -> None:
    """Announced, or found out while it streams; exactly the limit passes."""
    assert put(photos, url(limit=len(PHOTO))).status == 200
    announced = put(photos, url(limit=len(PHOTO) - 1))
    assert announced.status == 413
    with photos.socket() as connection:
        path, sha256 = url(limit=1000), digest(PHOTO)["X-Content-SHA256"]
        head = (
            f"PUT {path} HTTP/1.1\r\nx-content-sha256: {sha256}\r\ntransfer-encoding: chunked\r\n"
        )
        connection.sendall(head.encode() + b"\r\n7d0\r\n" + PHOTO[:2000] + b"\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
    assert photos.metrics()["surge_photos_uploads"] == 0


def test_a_client_that_asks_first_is_told_to_go_on_or_not(photos: RunningTwin) -> None:
    """Expect: 100-continue spares a refused photo its way."""
    sha256 = digest(PHOTO)["X-Content-SHA256"]
    rest = f" HTTP/1.1\r\nx-content-sha256: {sha256}\r\ncontent-length: {len(PHOTO)}\r\n"
    rest += "expect: 100-continue\r\n\r\n"
    for path, first in ((url(), b"HTTP/1.1 100 "), (url(limit=9), b"HTTP/1.1 413 ")):
        with photos.socket() as connection:
            connection.sendall(f"PUT {path}{rest}".encode())
            assert connection.recv(1000).startswith(first)
            if b" 100 " in first:
                connection.sendall(PHOTO)
                assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_latency_and_bandwidth_add_up(photos: RunningTwin) -> None:
    """A tenth of a second for each, and the twin knows what it took."""
    settings(photos, latency=0.1, bandwidth=10 * len(PHOTO))
    answer = put(photos, url())
    assert (answer.status, answer.seconds >= 0.2) == (200, True)
    samples = photos.metrics()
    assert samples["surge_twin_service_seconds_sum"] >= 0.199
    assert samples["surge_twin_wait_seconds_sum"] < 1


def test_bandwidth_holds_a_large_photo_back_while_it_comes(photos: RunningTwin) -> None:
    """The twin stops reading, so the sender is slowed down and nothing piles up."""
    large = PHOTO + b"\x00" * 12_000_000
    settings(photos, bandwidth=30_000_000)
    started = time.monotonic()
    answer = put(photos, url(limit=20_000_000), large)
    assert answer.status == 422  # there are bytes after its end
    assert time.monotonic() - started >= 0.4


def test_errors_and_outages_are_what_the_settings_say(photos: RunningTwin) -> None:
    """500 for every upload, then 503, a reset, silence, and all well again."""
    settings(photos, error=1)
    assert put(photos, url()).status == 500
    settings(photos, error=0, outage="refuse")
    assert put(photos, url()).status == 503
    settings(photos, outage="reset")
    with pytest.raises(ConnectionError):
        put(photos, url())
    settings(photos, outage="hang")
    with pytest.raises(TimeoutError):
        photos.call("PUT", url(), PHOTO, headers=digest(PHOTO), timeout=0.3)
    settings(photos, outage=None)
    assert put(photos, url()).status == 200


def test_an_upload_whose_client_leaves_is_forgotten(photos: RunningTwin) -> None:
    """In the middle of the body, or while the store takes its time."""
    settings(photos, latency=0.2)
    sha256 = digest(PHOTO)["X-Content-SHA256"]
    head = f" HTTP/1.1\r\nx-content-sha256: {sha256}\r\ncontent-length: {len(PHOTO)}\r\n\r\n"
    for number, body in enumerate((PHOTO[:1000], PHOTO)):
        with photos.socket() as connection:
            connection.sendall(f"PUT {url()}{head}".encode() + body)
            photos.until("surge_photos_uploads", 1)
        photos.until("surge_photos_uploads", 0)
        assert photos.metrics()["surge_photos_lost_total"] == number + 1
    time.sleep(0.3)
    assert photos.call("GET", "/photos/photo-1").status == 404


def test_facts_beyond_the_bound_are_dropped_oldest_first() -> None:
    """A photo that was sent again counts as new."""
    with running("photos", SURGE_PHOTO_SECRET=SECRET, SURGE_PHOTOS_KEEP="2") as photos:
        for name in ("a", "b", "a", "c"):
            assert put(photos, url(name)).status == 200
        found = [photos.call("GET", f"/photos/{name}").status for name in "abc"]
        assert found == [200, 404, 200]


def test_it_stops_in_time_with_an_upload_under_way(photos: RunningTwin) -> None:
    """The client sees its connection end."""
    sha256 = digest(PHOTO)["X-Content-SHA256"]
    head = f"PUT {url()} HTTP/1.1\r\nx-content-sha256: {sha256}\r\ncontent-length: 9999\r\n\r\n"
    with socket.create_connection(photos.addresses[0], timeout=5) as connection:
        connection.sendall(head.encode())
        photos.until("surge_photos_uploads", 1)
        code, seconds = photos.stop()
        assert (code, seconds < 5) == (0, True)
        assert connection.recv(100) == b""
