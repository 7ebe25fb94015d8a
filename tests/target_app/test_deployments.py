"""The same service deployed otherwise: several workers, shedding, identity checks inline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from target_app.tokens import Signer
from tests.target_app.system import (
    IDENTITY,
    NOBODY,
    SECRET,
    Running,
    address,
    eventually,
    registration,
    service,
)
from tests.target_app.twins.running import RunningTwin, running

REGISTERED = "surge_requests_total{route=register,status=201}"


def workers(process: Running) -> list[psutil.Process]:
    """The HTTP workers of a service."""
    return psutil.Process(process.process.pid).children()


def register(process: Running, count: int) -> list[str]:
    """Each on a connection of its own, so that every worker gets some; their sessions."""
    answers = [process.call("POST", "/registrations", registration()) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {201}
    return [str(answer.json()["session"]) for answer in answers]


@pytest.mark.slow
def test_scrapes_of_several_workers_are_exact(fresh_database_url: str) -> None:
    with service(fresh_database_url, SURGE_WORKERS="3") as process:
        assert len(workers(process)) == 3
        for round_ in range(1, 5):
            register(process, 25)
            scraped = [process.samples()[REGISTERED] for _ in range(3)]
            assert scraped == [25.0 * round_] * 3
        told = process.samples()
        assert told["surge_batch_rows_sum"] == 100
        assert told["surge_writes_acknowledged_total{kind=register}"] == 100
        eventually(lambda: process.samples()["surge_pool_size"] == 24)
        assert len(process.ledger()) == 100


@pytest.mark.slow
def test_counts_survive_a_killed_worker_and_its_gauges_do_not(fresh_database_url: str) -> None:
    with service(fresh_database_url, SURGE_WORKERS="2") as process:
        eventually(lambda: process.samples()["surge_pool_size"] == 16)
        register(process, 40)
        victim = workers(process)[0]
        victim.kill()
        eventually(lambda: process.samples()["surge_pool_size"] <= 8, 5)
        assert process.samples()[REGISTERED] == 40
        eventually(lambda: len(workers(process)) == 2 and victim not in workers(process))
        eventually(lambda: process.samples()["surge_pool_size"] == 16)
        register(process, 10)
        assert process.samples()[REGISTERED] == 50
        eventually(lambda: process.samples()["surge_in_flight"] == 0)


@pytest.mark.slow
def test_workers_go_when_the_supervisor_is_killed(fresh_database_url: str) -> None:
    with service(fresh_database_url, SURGE_WORKERS="2") as process:
        left = workers(process)
        process.process.kill()
        process.process.wait()
        _, alive = psutil.wait_procs(left, timeout=3)
        assert alive == []


@pytest.mark.slow
def test_a_full_service_refuses_slowly_and_serves_those_inside(
    fresh_database_url: str, twin: RunningTwin
) -> None:
    with service(
        fresh_database_url, SURGE_ADMISSION="shed", SURGE_IN_FLIGHT_CAP="2",
        SURGE_SHED_DELAY_S="0.5", SURGE_IDENTITY_CHECK="inline",
        SURGE_REGISTRY_URL=address(twin),
    ) as process:  # fmt: skip
        sessions = verified(process, 6)
        twin.call("PUT", "/v1/settings", {"latency": [0.4]})
        began = time.monotonic()

        def submit(session: str) -> tuple[int, float, httpx.Headers]:
            answer = process.call("POST", "/identity-checks", IDENTITY, session)
            return answer.status_code, time.monotonic() - began, answer.headers

        with ThreadPoolExecutor(6) as crowd:
            answers = list(crowd.map(submit, sessions))
        twin.call("PUT", "/v1/settings", {"latency": [0.001]})
        assert sorted(status for status, _, _ in answers) == [200, 200, 503, 503, 503, 503]
        for status, seconds, headers in answers:
            if status == 503:
                assert seconds >= 0.5
                assert headers["retry-after"] == "1"
        told = process.samples()
        assert told["surge_shed_total"] == 4
        assert told["surge_requests_total{route=submit_identity,status=503}"] == 4
        assert told["surge_route_seconds_count{route=submit_identity}"] == 2, "refusals cost else"
        eventually(lambda: process.samples()["surge_in_flight"] == 0)
        assert process.call("GET", "/").status_code == 200


@pytest.mark.slow
def test_the_operator_is_let_in_when_the_service_is_full(
    fresh_database_url: str, twin: RunningTwin
) -> None:
    with service(
        fresh_database_url, SURGE_ADMISSION="shed", SURGE_IN_FLIGHT_CAP="1",
        SURGE_SHED_DELAY_S="0.1", SURGE_IDENTITY_CHECK="inline",
        SURGE_REGISTRY_URL=address(twin),
    ) as process:  # fmt: skip
        (session,) = verified(process, 1)
        twin.call("PUT", "/v1/settings", {"latency": [0.5]})
        with ThreadPoolExecutor(1) as crowd:
            slow = crowd.submit(process.call, "POST", "/identity-checks", IDENTITY, session)
            eventually(lambda: process.samples()["surge_in_flight"] >= 1)
            assert process.call("GET", "/").status_code == 503
            for path in ("/healthz", "/readyz", "/capacity", "/metrics"):
                assert process.call("GET", path).status_code == 200
            assert slow.result().status_code == 200
        twin.call("PUT", "/v1/settings", {"latency": [0.001]})


@pytest.fixture(scope="module")
def twin() -> Iterator[RunningTwin]:
    with running("registry", SURGE_REGISTRY_TWIN_LATENCY="0.001") as registry:
        yield registry


def verified(process: Running, count: int) -> list[str]:
    """Sessions of people whose address is verified."""
    signer = Signer(SECRET.encode(), "e-mail")
    sessions = register(process, count)
    for session in sessions:
        token = signer.sign(session.partition(".")[0])
        process.call("POST", "/email-verifications", {"token": token}).raise_for_status()
    return sessions


@pytest.fixture
def inline(fresh_database_url: str, twin: RunningTwin) -> Iterator[Running]:
    with service(
        fresh_database_url, SURGE_IDENTITY_CHECK="inline", SURGE_REGISTRY_URL=address(twin),
        SURGE_REGISTRY_TIMEOUT_S="3", SURGE_REGISTRY_SLOTS="2",
    ) as process:  # fmt: skip
        yield process


@pytest.mark.slow
def test_inline_the_answer_is_the_verdict(inline: Running) -> None:
    known, unknown = verified(inline, 2)
    answer = inline.call("POST", "/identity-checks", IDENTITY, known)
    assert (answer.status_code, answer.json()) == (200, {"status": "verified"})
    answer = inline.call("POST", "/identity-checks", NOBODY, unknown)
    assert (answer.status_code, answer.json()) == (200, {"status": "rejected"})
    answer = inline.call("GET", "/identity-checks/mine", session=known)
    assert answer.json() == {"status": "verified"}
    told = inline.samples()
    assert told["surge_station_service_seconds_count{station=registry_client}"] == 2
    assert inline.call("GET", "/capacity").json()["identity_check"] == "inline"


@pytest.mark.slow
def test_inline_an_outage_of_the_registry_is_everybodys(inline: Running, twin: RunningTwin) -> None:
    (session,) = verified(inline, 1)
    twin.call("PUT", "/v1/settings", {"outage": True})
    answer = inline.call("POST", "/identity-checks", IDENTITY, session)
    twin.call("PUT", "/v1/settings", {"outage": False})
    assert answer.status_code == 503
    assert "registry" in answer.json()["detail"]
    assert inline.call("GET", "/identity-checks/mine", session=session).status_code == 404
    answer = inline.call("POST", "/identity-checks", IDENTITY, session)
    assert (answer.status_code, answer.json()) == (200, {"status": "verified"})


@pytest.mark.slow
def test_inline_people_wait_for_a_slot_and_the_wait_is_measured(
    inline: Running, twin: RunningTwin
) -> None:
    sessions = verified(inline, 6)
    twin.call("PUT", "/v1/settings", {"latency": [0.5]})
    with ThreadPoolExecutor(6) as crowd:
        answers = list(
            crowd.map(lambda s: inline.call("POST", "/identity-checks", IDENTITY, s), sessions)
        )
    twin.call("PUT", "/v1/settings", {"latency": [0.001]})
    assert {answer.status_code for answer in answers} == {200}
    told = inline.samples()
    wait = told["surge_station_wait_seconds_sum{station=registry_client}"]
    assert wait >= 1.5, "two at once, three rounds of 0.5 s: waits of 0, 0.5 and 1 s, twice each"
    assert told["surge_station_service_seconds_sum{station=registry_client}"] >= 2.9
