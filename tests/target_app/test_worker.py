"""The worker as a process: what it guarantees when everything around it fails.

Guaranteed: no letter is lost and no check is forgotten, whoever dies; a check has one decision
and one result letter. Not guaranteed: that a letter comes once. A worker killed between handing
a letter over and marking it leaves it to be sent again (at least once).
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from harness.database import execute
from target_app.tokens import Signer
from tests.target_app.system import (
    IDENTITY,
    NOBODY,
    SECRET,
    Running,
    address,
    eventually,
    free_ports,
    letter,
    registration,
    service,
    spawn,
    worker,
)
from tests.target_app.twins.running import RunningTwin, running

QUICK = {"SURGE_REGISTRY_TWIN_LATENCY": "0.002"}


class Site:
    """A service, its twins, and a database; workers come and go."""

    def __init__(
        self, running: Running, registry: RunningTwin, mailbox: RunningTwin, database: str
    ) -> None:
        self.service = running
        self.registry = registry
        self.mailbox = mailbox
        self.database = database

    def worker(self, **variables: str) -> contextlib.AbstractContextManager[Running]:
        return worker(self.database, self.registry, self.mailbox, **variables)

    def register(self, count: int) -> list[dict[str, Any]]:
        """People who have registered: email, registration, session."""
        people = []
        with httpx.Client(base_url=self.service.url, timeout=30) as client:
            for _ in range(count):
                body = registration()
                told = client.post("/registrations", json=body).raise_for_status().json()
                people.append({"email": body["email"], **told})
        return people

    def submit(self, people: list[dict[str, Any]], identity: dict[str, Any] = IDENTITY) -> None:
        """Verify their addresses, submit their identities."""
        signer = Signer(SECRET.encode(), "e-mail")
        with httpx.Client(base_url=self.service.url, timeout=30) as client:
            for person in people:
                token = signer.sign(person["registration"])
                client.post("/email-verifications", json={"token": token}).raise_for_status()
                headers = {"authorization": f"Bearer {person['session']}"}
                answer = client.post("/identity-checks", json=identity, headers=headers)
                assert answer.status_code == 202

    def unsent(self) -> int:
        return self.count("SELECT count(*) FROM outbox WHERE sent_at IS NULL")

    def decided(self) -> int:
        return self.count("SELECT count(*) FROM identity_checks WHERE status <> 'queued'")

    def count(self, query: str) -> int:
        return int(execute(self.database, query)[0][0])

    def received(self) -> float:
        """Mails that the mailbox took."""
        told = self.mailbox.metrics()
        return sum(
            value for name, value in told.items()
            if name.startswith("surge_twin_requests_total") and "250" in name
        )  # fmt: skip


@pytest.fixture
def site(fresh_database_url: str) -> Iterator[Site]:
    with (
        running("registry", **QUICK) as registry,
        running("mailbox") as mailbox,
        service(fresh_database_url, SURGE_REGISTRY_URL=address(registry)) as process,
    ):
        yield Site(process, registry, mailbox, fresh_database_url)


@pytest.mark.slow
def test_a_person_walks_from_the_first_page_to_the_result(site: Site) -> None:
    with site.worker():
        for identity, verdict in ((IDENTITY, "verified"), (NOBODY, "rejected")):
            body = registration()
            told = site.service.call("POST", "/registrations", body).json()
            mail = letter(site.mailbox, body["email"], "verify")
            assert mail["link"].startswith("http://127.0.0.1:")
            answer = site.service.call("POST", "/email-verifications", {"token": mail["token"]})
            assert answer.status_code == 200
            session = told["session"]
            assert site.service.call("POST", "/identity-checks", identity, session).is_success
            letter(site.mailbox, body["email"], "result")
            answer = site.service.call("GET", "/identity-checks/mine", session=session)
            assert answer.json() == {"status": verdict}
            answer = site.service.call("POST", "/identity-checks", identity, session)
            assert (answer.status_code, answer.json()) == (200, {"status": verdict})
    (row, _) = site.service.ledger()
    stamps = ["registered_at", "email_verified_at", "identity_submitted_at", "identity_decided_at"]
    assert [row[stamp] for stamp in stamps] == sorted(row[stamp] for stamp in stamps)


@pytest.mark.slow
def test_the_worker_measures_its_stations(site: Site) -> None:
    with site.worker() as process:
        people = site.register(20)
        site.submit(people)
        eventually(lambda: site.decided() == 20 and site.unsent() == 0)
        told = process.samples()
    for station, count in (("mail_sender", 40), ("registry_client", 20)):
        for measure in ("wait", "service"):
            name = f"surge_station_{measure}_seconds_count{{station={station}}}"
            assert told[name] == count
    assert told["surge_registry_calls_total{outcome=match}"] == 20
    assert told["process_cpu_seconds_total"] > 0


@pytest.mark.slow
def test_a_registry_outage_is_survived_by_the_queue(site: Site) -> None:
    people = site.register(10)
    site.submit(people)
    site.registry.call("PUT", "/v1/settings", {"outage": True})
    with site.worker() as process:
        failed = "surge_registry_calls_total{outcome=failed}"
        busy = "surge_registry_calls_total{outcome=busy}"
        eventually(lambda: process.samples()[failed] + process.samples()[busy] >= 3)
        eventually(lambda: process.samples()["surge_queue_depth{queue=identity}"] == 10)
        assert site.decided() == 0
        site.registry.call("PUT", "/v1/settings", {"outage": False})
        eventually(lambda: site.decided() == 10, 30)
    assert {row["identity_status"] for row in site.service.ledger()} == {"verified"}


@pytest.mark.slow
def test_a_slow_registry_is_asked_again_until_it_answers_in_time(site: Site) -> None:
    site.registry.call("PUT", "/v1/settings", {"latency": [1.0]})
    site.submit(site.register(3))
    with site.worker(SURGE_REGISTRY_TIMEOUT_S="0.1") as process:
        eventually(lambda: process.samples()["surge_registry_calls_total{outcome=failed}"] >= 3)
        assert site.decided() == 0
        site.registry.call("PUT", "/v1/settings", {"latency": [0.002]})
        eventually(lambda: site.decided() == 3, 30)


@pytest.mark.slow
def test_the_quota_of_the_registry_sets_the_pace(site: Site) -> None:
    site.registry.call("PUT", "/v1/settings", {"quota_per_s": 20})
    site.submit(site.register(30))
    with site.worker(SURGE_REGISTRY_QUOTA_PER_S="20") as process:
        eventually(lambda: site.decided() == 30, 20)
        told = process.samples()
    assert told["surge_registry_calls_total{outcome=match}"] == 30
    assert told["surge_registry_calls_total{outcome=failed}"] == 0
    wait = told["surge_station_wait_seconds_sum{station=registry_client}"]
    assert wait >= 30 * 29 / 2 / 20 * 0.9, "the thirtieth waits 29/20 s, the others in proportion"


@pytest.mark.slow
def test_a_killed_worker_loses_no_mail(site: Site) -> None:
    people = site.register(300)
    with site.worker(SURGE_LEASE_S="1") as first:
        eventually(lambda: site.unsent() < 300)
        first.process.kill()
        first.process.wait()
    left = site.unsent()
    with site.worker(SURGE_LEASE_S="1"):
        eventually(lambda: site.unsent() == 0, 20)
    for person in people:
        letter(site.mailbox, person["email"], "verify")
    sent_twice = site.received() - 300
    assert 0 <= sent_twice <= left, "only what was in hand when it died can come twice"


@pytest.mark.slow
def test_a_killed_worker_forgets_no_check_and_decides_none_twice(site: Site) -> None:
    site.registry.call("PUT", "/v1/settings", {"latency": [0.05]})
    people = site.register(60)
    site.submit(people)
    with site.worker(SURGE_LEASE_S="1", SURGE_REGISTRY_SLOTS="4") as first:
        eventually(lambda: site.decided() >= 8)
        first.process.kill()
        first.process.wait()
    assert site.decided() < 60
    with site.worker(SURGE_LEASE_S="1"):
        eventually(lambda: site.decided() == 60, 20)
    letters = execute(site.database, "SELECT registration FROM outbox WHERE kind = 'result'")
    assert set(Counter(row[0] for row in letters).values()) == {1}
    assert len(letters) == 60


@pytest.mark.slow
def test_two_workers_share_the_queues_without_doing_anything_twice(site: Site) -> None:
    with site.worker(), site.worker():
        people = site.register(150)
        site.submit(people)
        eventually(lambda: site.decided() == 150 and site.unsent() == 0, 20)
    assert site.received() == 300


@pytest.mark.slow
def test_mail_waits_for_a_mail_server_that_is_away(site: Site) -> None:
    (port,) = free_ports(1)
    metrics = free_ports(1)[0]
    people = site.register(5)
    process = spawn(
        "worker", DATABASE_URL=site.database, SURGE_WORKER_METRICS_PORT=str(metrics),
        SURGE_REGISTRY_URL=address(site.registry), SURGE_SMTP_PORT=str(port), SURGE_LEASE_S="1",
    )  # fmt: skip
    try:
        with running("mailbox", SURGE_SMTP_PORT=str(port)) as late:
            for person in people:
                letter(late, person["email"], "verify")
            assert eventually(lambda: site.unsent() == 0)
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.slow
def test_a_refused_letter_is_put_aside_with_the_reason(site: Site) -> None:
    execute(site.database, """INSERT INTO outbox (registration, kind, recipient, name, link)
        SELECT gen_random_uuid(), 'verify', 'no address', 'Nobody', 'http://x'""")  # fmt: skip
    (person,) = site.register(1)
    with site.worker() as process:
        letter(site.mailbox, person["email"], "verify")
        eventually(lambda: site.unsent() == 0)
        assert process.samples()["surge_mails_total{outcome=refused}"] == 1
    refused = execute(site.database, "SELECT recipient, refusal FROM outbox WHERE refusal <> ''")
    assert [row[0] for row in refused] == ["no address"]


@pytest.mark.slow
def test_lost_database_connections_are_survived(site: Site) -> None:
    end_others = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    with site.worker():
        site.register(5)
        eventually(lambda: site.unsent() == 0)
        for _ in range(10):  # each time at another moment of the worker's polling
            execute(site.database, end_others)
            time.sleep(0.07)
        eventually(lambda: site.service.call("GET", "/readyz").status_code == 200)
        site.submit(site.register(5))
        assert eventually(lambda: site.decided() == 5 and site.unsent() == 0)


@pytest.mark.slow
def test_it_stops_within_five_seconds(site: Site) -> None:
    with site.worker() as process:
        code, seconds = process.stop()
    assert code == 0
    assert seconds < 5
