"""Photos that visitors upload: whole JPEGs, each of its own bytes, by three requests."""

import io
import json
from collections.abc import Iterator
from hashlib import sha256

import pytest
from PIL import Image

from loadtests.exchange import Request
from loadtests.photo import PICTURES, Camera
from loadtests.protocol import Memory, ReferenceProtocol
from target_app.twins.jpeg import Jpeg
from workload.population import Population, Visitor
from workload.visit import Outcome

PEOPLE = Population({"31": 1.0})
SESSION = ("Authorization", "Bearer s")
TICKET = b'{"photo":"p-1","url":"http://127.0.0.1:8030/photos/p-1?expires=9&signature=ab"}'


def one_of_each_device() -> Iterator[Visitor]:
    """The first visitor of each."""
    first: dict[str, Visitor] = {}
    for index in range(1000):
        visitor = PEOPLE.visitor(1, index)
        first.setdefault(visitor.device, visitor)
    assert set(first) == set(PICTURES)
    yield from first.values()


def test_every_device_takes_a_whole_jpeg_of_its_size() -> None:
    """Pillow decodes it, the photo store follows its structure, and its digest is its own."""
    camera = Camera()
    for visitor in one_of_each_device():
        photo = camera.photo(visitor)
        picture = Image.open(io.BytesIO(photo.jpeg))
        picture.load()
        assert picture.size == PICTURES[visitor.device][:2]
        assert picture.info["comment"] == f"surge: {visitor.request_id}".encode()
        structure = Jpeg()
        structure.feed(photo.jpeg)
        assert structure.finish() is None
        assert photo.sha256 == sha256(photo.jpeg).hexdigest()


def test_no_two_visitors_have_the_same_photo_and_each_keeps_its_own() -> None:
    """However often it is asked, in whichever process."""
    visitors = [PEOPLE.visitor(1, index) for index in range(200)]
    digests = [Camera().photo(visitor).sha256 for visitor in visitors]
    assert len(set(digests)) == 200
    assert digests == [Camera().photo(visitor).sha256 for visitor in visitors]


def test_an_upload_is_three_requests() -> None:
    """Leave, the photo to the store with its digest, and the word that it is there."""
    protocol, visitor, memory = ReferenceProtocol(), PEOPLE.visitor(1, 7), Memory(session="s")
    leave = protocol.request("upload_photo", visitor, memory)
    assert leave == ("POST", "/photos", b"", (SESSION,))
    put = protocol.outcome("upload_photo", 201, TICKET, memory)
    assert isinstance(put, Request)
    digest = sha256(put.body).hexdigest()
    assert put[:2] == ("PUT", "http://127.0.0.1:8030/photos/p-1?expires=9&signature=ab")
    assert put.headers == (("Content-Type", "image/jpeg"), ("X-Content-SHA256", digest))
    done = protocol.outcome("upload_photo", 200, b"{}", memory)
    assert isinstance(done, Request)
    assert done[:2] == ("POST", "/photos/p-1/complete")
    assert json.loads(done.body) == {"sha256": digest, "bytes": len(put.body)}
    assert SESSION in done.headers
    assert protocol.outcome("upload_photo", 201, b"", memory) is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "ticket",
    [
        b"", b"<html>", b'{"photo":"p"}', b'{"photo":"p","url":"/photos/p"}',
        b'{"photo":"p","url":"ftp://h/p"}', b'{"photo":"p","url":"http://h/p q"}',
        b'{"photo":"p","url":"http:///p"}', b'{"photo":"p","url":"http://h:99999/p"}',
        b'{"photo":"p","url":"http://[::1/p"}', b'{"photo":"../x","url":"http://h/p"}',
        b'{"photo":"p","url":"http://h/\\u20ac"}', b'{"photo":"p\\r\\nX: 1","url":"http://h/p"}',
    ],
)  # fmt: skip
def test_leave_that_makes_no_sense_is_the_services_fault(ticket: bytes) -> None:
    """Nothing is sent anywhere."""
    protocol, memory = ReferenceProtocol(), Memory(session="s")
    protocol.request("upload_photo", PEOPLE.visitor(1, 7), memory)
    assert protocol.outcome("upload_photo", 201, ticket, memory) is Outcome.FAULT


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(403, Outcome.REFUSED), (422, Outcome.REFUSED), (503, Outcome.OVERLOADED)],
)
def test_a_store_that_says_no_ends_the_attempt(status: int, outcome: Outcome) -> None:
    """As any status does; the next attempt asks for leave again."""
    protocol, visitor, memory = ReferenceProtocol(), PEOPLE.visitor(1, 7), Memory(session="s")
    protocol.request("upload_photo", visitor, memory)
    protocol.outcome("upload_photo", 201, TICKET, memory)
    assert protocol.outcome("upload_photo", status, b"{}", memory) is outcome
    assert protocol.request("upload_photo", visitor, memory).path == "/photos"
    assert isinstance(protocol.outcome("upload_photo", 201, TICKET, memory), Request)
