"""Photo, wave, draw, result and support: the steps after the identity check, with real twins."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image

from harness.database import execute, fresh_database
from target_app.tokens import Signer
from tests.target_app.system import (
    ADMIN,
    IDENTITY,
    NOBODY,
    SECRET,
    Running,
    address,
    registration,
    service,
)
from tests.target_app.twins.running import RunningTwin, running

PHOTO_SECRET = "a secret shared with the store"


def jpeg(shade: int = 0) -> bytes:
    """A real JPEG."""
    held = io.BytesIO()
    Image.new("RGB", (32, 24), (shade, 100, 200)).save(held, "JPEG")
    return held.getvalue()


class Site:
    """A service that decides identities at once, and a photo store."""

    def __init__(self, process: Running, photos: RunningTwin, database: str) -> None:
        self.service = process
        self.photos = photos
        self.database = database

    def person(self, identity: dict[str, Any] = IDENTITY) -> str:
        """The session of somebody whose identity has been decided."""
        told = self.service.call("POST", "/registrations", registration()).json()
        token = Signer(SECRET.encode(), "e-mail").sign(told["registration"])
        self.service.call("POST", "/email-verifications", {"token": token}).raise_for_status()
        answer = self.service.call("POST", "/identity-checks", identity, told["session"])
        assert answer.status_code == 200
        return str(told["session"])

    def ticket(self, session: str) -> dict[str, Any]:
        answer = self.service.call("POST", "/photos", session=session)
        assert answer.status_code == 201
        told: dict[str, Any] = answer.json()
        return told

    def put(self, ticket: dict[str, Any], photo: bytes) -> httpx.Response:
        digest = hashlib.sha256(photo).hexdigest()
        return httpx.put(ticket["url"], content=photo, headers={"x-content-sha256": digest})

    def upload(self, session: str) -> httpx.Response:
        """The whole step."""
        ticket = self.ticket(session)
        stored = self.put(ticket, jpeg())
        assert stored.status_code == 200
        return self.complete(session, ticket, stored.json())

    def complete(self, session: str, ticket: dict[str, Any], facts: Any) -> httpx.Response:
        return self.service.call("POST", f"/photos/{ticket['photo']}/complete", facts, session)

    def join(self, session: str) -> httpx.Response:
        return self.service.call("POST", "/waves/current/applications", session=session)

    def joined(self, count: int) -> list[str]:
        """Sessions of people who joined."""

        def one(_: int) -> str:
            session = self.person()
            assert self.upload(session).status_code == 201
            assert self.join(session).status_code == 201
            return session

        with ThreadPoolExecutor(8) as crowd:
            return list(crowd.map(one, range(count)))

    def close(self, body: dict[str, Any] | None = None) -> httpx.Response:
        return self.service.call("POST", "/waves/current/close", body, ADMIN)

    def result(self, session: str) -> dict[str, Any]:
        told: dict[str, Any] = self.service.call("GET", "/results/mine", session=session).json()
        return told


@pytest.fixture(scope="module")
def twins() -> Iterator[tuple[RunningTwin, RunningTwin]]:
    with (
        running("photos", SURGE_PHOTO_SECRET=PHOTO_SECRET) as photos,
        running("registry", SURGE_REGISTRY_TWIN_LATENCY="0.001") as registry,
    ):
        yield photos, registry


@pytest.fixture(scope="module")
def site(database_url: str, twins: tuple[RunningTwin, RunningTwin]) -> Iterator[Site]:
    """For tests that leave the wave open."""
    with fresh_database(database_url) as url:
        yield from started(url, twins)


@pytest.fixture
def own_site(fresh_database_url: str, twins: tuple[RunningTwin, RunningTwin]) -> Iterator[Site]:
    """For tests that close waves; three seats a wave."""
    yield from started(fresh_database_url, twins, SURGE_WAVE_QUOTA="3")


def started(url: str, twins: tuple[RunningTwin, RunningTwin], **variables: str) -> Iterator[Site]:
    photos, registry = twins
    with service(
        url, SURGE_IDENTITY_CHECK="inline", SURGE_REGISTRY_URL=address(registry),
        SURGE_PHOTO_SECRET=PHOTO_SECRET, SURGE_PHOTOS_URL=address(photos), **variables,
    ) as process:  # fmt: skip
        yield Site(process, photos, url)


def test_a_photo_is_uploaded_once_and_a_retry_keeps_the_first(site: Site) -> None:
    session = site.person()
    first, second = site.upload(session), site.upload(session)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    (row,) = [row for row in site.service.ledger() if row["photo"] == first.json()["photo"]]
    assert row["photo_sha256"] == hashlib.sha256(jpeg()).hexdigest()
    assert row["photo_bytes"] == len(jpeg())


def test_a_photo_that_never_arrived_does_not_count(site: Site) -> None:
    session = site.person()
    facts = {"sha256": hashlib.sha256(jpeg()).hexdigest(), "bytes": len(jpeg())}
    answer = site.complete(session, site.ticket(session), facts)
    assert answer.status_code == 409
    assert "has not arrived" in answer.json()["detail"]


def test_nobodys_word_is_taken_for_what_arrived(site: Site) -> None:
    session = site.person()
    ticket = site.ticket(session)
    facts = site.put(ticket, jpeg()).json()
    for lie in ({**facts, "bytes": 1}, {**facts, "sha256": "0" * 64}):
        assert site.complete(session, ticket, lie).status_code == 422
    assert site.complete(session, ticket, {**facts, "bytes": 0}).status_code == 422
    assert site.complete(session, ticket, facts).status_code == 201


def test_a_photo_belongs_to_one_person(site: Site) -> None:
    mine, other = site.person(), site.person()
    ticket = site.ticket(mine)
    facts = site.put(ticket, jpeg()).json()
    assert site.complete(other, ticket, facts).status_code == 404
    assert site.complete(mine, {"photo": "x" * 48}, facts).status_code == 404


def test_half_a_jpeg_and_a_changed_url_are_refused_by_the_store(site: Site) -> None:
    session = site.person()
    ticket = site.ticket(session)
    assert site.put(ticket, jpeg()[:-20]).status_code == 422
    larger = ticket["url"].replace("size_limit=4194304", "size_limit=9194304")
    assert larger != ticket["url"]
    assert site.put({"url": larger}, jpeg()).status_code == 403


def test_photos_are_for_people_whose_identity_is_verified(site: Site) -> None:
    assert site.service.call("POST", "/photos").status_code == 401
    answer = site.service.call("POST", "/photos", session=site.person(NOBODY))
    assert answer.status_code == 403


def test_a_store_that_is_out_means_503(site: Site) -> None:
    session = site.person()
    ticket = site.ticket(session)
    facts = site.put(ticket, jpeg()).json()
    site.photos.call("PUT", "/settings", {"outage": True})
    try:
        assert site.put(ticket, jpeg()).status_code == 503
    finally:
        site.photos.call("PUT", "/settings", {"outage": False})
    assert site.complete(session, ticket, facts).status_code == 201


def test_joining_needs_identity_and_photo_and_may_be_repeated(site: Site) -> None:
    assert site.service.call("POST", "/waves/current/applications").status_code == 401
    answer = site.join(site.person(NOBODY))
    assert (answer.status_code, "identity" in answer.json()["detail"]) == (403, True)
    session = site.person()
    answer = site.join(session)
    assert (answer.status_code, "photo" in answer.json()["detail"]) == (403, True)
    assert site.service.call("GET", "/results/mine", session=session).status_code == 404
    site.upload(session)
    first, second = site.join(session), site.join(session)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == {"wave": 1}
    assert site.result(session) == {"result": "pending", "wave": 1}


def test_support_can_be_called_from_any_step(site: Site) -> None:
    call = {"request_id": str(uuid.uuid4()), "step": "register", "words": "It does not load."}
    first = site.service.call("POST", "/support-calls", call)
    second = site.service.call("POST", "/support-calls", call)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == {"call": call["request_id"]}
    call = {"request_id": str(uuid.uuid4()), "step": "upload_photo"}
    assert site.service.call("POST", "/support-calls", call, site.person()).status_code == 201
    assert site.service.call("POST", "/support-calls", call, "forged").status_code == 401
    listed = site.service.call("GET", "/ledger/support-calls", session=ADMIN).text.splitlines()
    assert sum(first.json()["call"] in line for line in listed) == 1
    assert site.service.call("GET", "/ledger/support-calls").status_code == 401
    assert site.service.call("POST", "/support-calls", {"step": "x"}).status_code == 422


@pytest.mark.slow
def test_never_more_seats_than_the_quota_and_the_rest_stays_in_the_pool(own_site: Site) -> None:
    people = own_site.joined(8)
    told = own_site.close({"seed": 7}).json()
    assert told == {"wave": 1, "quota": 3, "seed": 7, "joined": 8, "drawn": 3}
    results = [own_site.result(session) for session in people]
    assert results.count({"result": "drawn", "wave": 1}) == 3
    assert results.count({"result": "not_drawn", "wave": 1}) == 5
    late = own_site.joined(1)[0]
    assert own_site.result(late) == {"result": "pending", "wave": 2}
    told = own_site.close().json()
    assert (told["wave"], told["joined"], told["drawn"]) == (2, 6, 3)
    assert [own_site.result(s) for s in people].count({"result": "drawn", "wave": 2}) >= 2
    ledger = own_site.service.ledger()
    assert [row["drawn"] for row in ledger].count(1) == 3
    assert all(row["joined"] for row in ledger)


@pytest.mark.slow
def test_closing_a_closed_wave_again_draws_nobody(own_site: Site) -> None:
    own_site.joined(5)
    first = own_site.close({"seed": 1, "wave": 1})
    again = own_site.close({"seed": 2, "wave": 1})
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert own_site.close({"wave": 9}).status_code == 409
    taken = execute(own_site.database, "SELECT count(*) FROM applications WHERE drawn_wave = 1")
    assert taken[0][0] == 3


@pytest.mark.slow
def test_the_operator_may_draw_fewer_than_the_quota_and_never_more(own_site: Site) -> None:
    own_site.joined(4)
    refused = own_site.close({"seats": 4})
    assert refused.status_code == 422
    assert "seats: 4 is above the quota, 3" in refused.json()["detail"]
    told = own_site.close({"seats": 2}).json()
    assert told == {"wave": 1, "quota": 2, "seed": 0, "joined": 4, "drawn": 2}


@pytest.mark.slow
def test_the_same_seed_draws_the_same_people(own_site: Site) -> None:
    own_site.joined(12)

    def drawn(seed: int) -> set[str]:
        own_site.close({"seed": seed, "wave": 1})
        rows = execute(
            own_site.database, "SELECT registration FROM applications WHERE drawn_wave = 1"
        )
        execute(own_site.database, "UPDATE applications SET drawn_wave = NULL")
        execute(own_site.database, "DELETE FROM waves WHERE wave > 1")
        execute(own_site.database, "UPDATE waves SET closed_at = NULL, drawn = NULL")
        return {str(row[0]) for row in rows}

    assert drawn(1) == drawn(1)
    assert any(drawn(1) != drawn(seed) for seed in range(2, 6))


@pytest.mark.slow
def test_a_draw_that_was_cut_short_is_done_by_the_next_call(own_site: Site) -> None:
    people = own_site.joined(4)
    execute(own_site.database, """UPDATE waves SET closed_at = now(), quota = 2, seed = '5'
        WHERE wave = 1""")  # fmt: skip
    execute(own_site.database, "INSERT INTO waves (wave) VALUES (2)")
    assert own_site.result(people[0]) == {"result": "pending", "wave": 1}
    told = own_site.close({"seed": 99}).json()
    assert told == {"wave": 1, "quota": 2, "seed": 5, "joined": 4, "drawn": 2}


@pytest.mark.slow
def test_who_joins_while_the_wave_closes_is_in_one_wave_or_the_next(own_site: Site) -> None:
    waiting = []
    for _ in range(16):
        session = own_site.person()
        own_site.upload(session)
        waiting.append(session)
    with ThreadPoolExecutor(9) as crowd:
        joins = [crowd.submit(own_site.join, session) for session in waiting[:8]]
        closing = crowd.submit(own_site.close, {"seed": 3})
        joins += [crowd.submit(own_site.join, session) for session in waiting[8:]]
        told = closing.result().json()
        waves = [join.result().json()["wave"] for join in joins]
    assert set(waves) <= {1, 2}
    assert told["joined"] == waves.count(1), "the draw saw exactly those who joined before it"


def test_only_the_operator_closes_a_wave(site: Site) -> None:
    assert site.service.call("POST", "/waves/current/close", {"seed": 1}).status_code == 401
    answer = site.service.call("POST", "/waves/current/close", {"seed": 1}, site.person())
    assert answer.status_code == 401
