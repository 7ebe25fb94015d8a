"""The service as a process: its answers, its refusals, and what it does without a database."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import Any

import httpx
import psutil
import pytest

from harness.database import fresh_database
from harness.postgres import postgres
from target_app.stations import STATIONS
from target_app.tokens import Signer, new_name
from tests.target_app.system import (
    IDENTITY,
    SECRET,
    Running,
    eventually,
    free_ports,
    registration,
    service,
    spawn,
)


@pytest.fixture(scope="module")
def running(database_url: str) -> Iterator[Running]:
    """One service for the tests that leave it as it was."""
    with fresh_database(database_url) as url, service(url) as process:
        yield process


def session(running: Running) -> str:
    """A session of a person whose e-mail is verified."""
    told = running.call("POST", "/registrations", registration()).json()
    token = Signer(SECRET.encode(), "e-mail").sign(told["registration"])
    assert running.call("POST", "/email-verifications", {"token": token}).status_code == 200
    return str(told["session"])


def detail(answer: httpx.Response) -> str:
    """The words of a problem, which must be one."""
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["title"]
    return str(told["detail"])


def test_the_first_page_is_for_people(running: Running) -> None:
    answer = running.call("GET", "/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


def test_a_retry_gets_the_same_answer_and_makes_no_second_row(running: Running) -> None:
    body = registration()
    first = running.call("POST", "/registrations", body)
    second = running.call("POST", "/registrations", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert [row["email"] for row in running.ledger()].count(body["email"]) == 1


def test_an_address_is_registered_once_whatever_its_case(running: Running) -> None:
    body = registration()
    running.call("POST", "/registrations", body)
    shouted = {**registration(), "email": body["email"].upper()}
    answer = running.call("POST", "/registrations", shouted)
    assert answer.status_code == 409
    assert "registered already" in detail(answer)


def test_a_malformed_registration_is_told_its_faults(running: Running) -> None:
    answer = running.call("POST", "/registrations", {**registration(), "consent": 0})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "#/consent", "detail": "0: Expected `bool`, got `int`"}
    ]
    assert "consent" in detail(answer)


def test_a_verification_may_be_repeated(running: Running) -> None:
    told = running.call("POST", "/registrations", registration()).json()
    token = Signer(SECRET.encode(), "e-mail").sign(told["registration"])
    for _ in range(2):
        answer = running.call("POST", "/email-verifications", {"token": token})
        assert (answer.status_code, answer.json()) == (200, {"email": "verified"})


def test_an_unknown_token_verifies_nothing(running: Running) -> None:
    told = running.call("POST", "/registrations", registration()).json()
    genuine_but_nobodys = Signer(SECRET.encode(), "e-mail").sign(new_name())
    for token in (told["session"], genuine_but_nobodys, "x"):
        answer = running.call("POST", "/email-verifications", {"token": token})
        assert answer.status_code == 404
        assert "unknown" in detail(answer)


def test_an_identity_is_queued_and_its_status_can_be_read(running: Running) -> None:
    mine = session(running)
    assert running.call("GET", "/identity-checks/mine", session=mine).status_code == 404
    for _ in range(2):
        answer = running.call("POST", "/identity-checks", IDENTITY, mine)
        assert (answer.status_code, answer.json()) == (202, {"status": "queued"})
    answer = running.call("GET", "/identity-checks/mine", session=mine)
    assert (answer.status_code, answer.json()) == (200, {"status": "queued"})


def test_an_identity_needs_a_verified_address(running: Running) -> None:
    told = running.call("POST", "/registrations", registration()).json()
    answer = running.call("POST", "/identity-checks", IDENTITY, told["session"])
    assert answer.status_code == 403
    assert "verified" in detail(answer)


def test_a_nik_that_can_not_exist_is_refused(running: Running) -> None:
    wrong = {**IDENTITY, "nik": "3273905513990001"}
    answer = running.call("POST", "/identity-checks", wrong, session(running))
    assert answer.status_code == 422
    assert "birth date" in detail(answer)


def test_a_forged_session_opens_nothing(running: Running) -> None:
    told = running.call("POST", "/registrations", registration()).json()
    name, proof = told["session"].split(".")
    other = running.call("POST", "/registrations", registration()).json()["registration"]
    forgeries = [
        f"{other}.{proof}",
        f"{name}.",
        name,
        "x",
        "é",
        Signer(b"guess", "session").sign(name),
    ]
    for forged in forgeries:
        for method, path, body in (
            ("POST", "/identity-checks", IDENTITY),
            ("GET", "/identity-checks/mine", None),
        ):
            raw = httpx.request(
                method, running.url + path, json=body,
                headers=[(b"authorization", b"Bearer " + forged.encode())],
            )  # fmt: skip
            assert raw.status_code == 401
            assert raw.headers["www-authenticate"] == "Bearer"
    assert running.call("GET", "/identity-checks/mine").status_code == 401


def test_a_wrong_method_an_unknown_path_and_a_wrong_type_are_problems(running: Running) -> None:
    answer = running.call("DELETE", "/registrations")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "DELETE" in detail(answer)
    assert "/nowhere" in detail(running.call("GET", "/nowhere"))
    answer = httpx.post(f"{running.url}/registrations", data={"email": "x"})
    assert answer.status_code == 415
    answer = httpx.post(f"{running.url}/registrations", content=b"x" * 100_000)
    assert answer.status_code == 413


def test_head_is_get_without_a_body(running: Running) -> None:
    answer = running.call("HEAD", "/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_ledger_is_the_operators_alone(running: Running) -> None:
    body = registration()
    told = running.call("POST", "/registrations", body).json()
    assert running.call("GET", "/ledger").status_code == 401
    assert running.call("GET", "/ledger", session=told["session"]).status_code == 401
    (row,) = [row for row in running.ledger() if row["request_id"] == body["request_id"]]
    assert row["registration"] == told["registration"]
    assert set(row) >= {
        "registration", "request_id", "email", "registered_at", "email_verified_at",
        "identity_status", "identity_submitted_at", "identity_decided_at",
    }  # fmt: skip


def test_capacity_describes_the_deployment(database_url: str) -> None:
    extra = '{"mailbox": "http://mail", "metrics": {"worker": "http://w/metrics"}}'
    with service(database_url, SURGE_CAPACITY_EXTRA=extra, SURGE_LANES="3") as running:
        told = running.call("GET", "/capacity").json()
    assert told["schema"] == "surge/capacity/1"
    assert told["stations"] == list(STATIONS)
    assert (told["lanes"], told["mailbox"]) == (3, "http://mail")
    assert told["metrics"] == {"service": running.metrics, "worker": "http://w/metrics"}


def test_both_metrics_ports_tell_the_same(running: Running) -> None:
    running.call("GET", "/")
    name = "surge_requests_total{route=open_site,status=200}"
    here = running.samples()[name]
    there = running.call("GET", "/metrics").text
    assert here >= 1
    assert re.search(rf'route="open_site",status="200"}} {here}', there)


def test_every_request_is_counted_once_and_measured(running: Running) -> None:
    before = running.samples()
    for _ in range(24):  # three times the eight of which one is looked at slice by slice
        running.call("POST", "/registrations", registration())
    after = running.samples()

    def grown(name: str) -> float:
        return after[name] - before[name]

    assert grown("surge_requests_total{route=register,status=201}") == 24
    assert grown("surge_writes_acknowledged_total{kind=register}") == 24
    assert grown("surge_route_seconds_count{route=register}") == 24
    slices = grown("surge_route_slices_total{route=register}")
    assert 48 <= slices <= 72, "one before the flush, one after, one more for a late body"
    assert grown("surge_batch_rows_sum") == 24
    assert grown("surge_route_cpu_seconds_total{route=register}") > 0
    for station in ("event_loop", "write_batcher", "database"):
        assert grown(f"surge_station_wait_seconds_count{{station={station}}}") >= 24
        assert grown(f"surge_station_service_seconds_sum{{station={station}}}") > 0
    assert eventually(lambda: running.samples()["surge_in_flight"] == 0)
    assert after["surge_pool_size"] == 8


def test_a_taken_port_ends_with_one_line_and_exit_2(running: Running) -> None:
    port = running.url.rpartition(":")[2]
    (metrics,) = free_ports(1)
    process = spawn("service", DATABASE_URL="postgresql://h/d", SURGE_PORT=port,
                    SURGE_METRICS_PORT=str(metrics))  # fmt: skip
    _, words = process.communicate(timeout=10)
    assert process.returncode == 2
    assert words.count("\n") == 1
    assert f"SURGE_PORT={port}" in words
    assert "choose a free port" in words


def test_a_bad_setting_ends_with_one_line_and_exit_2() -> None:
    for module in ("service", "worker"):
        process = spawn(module, DATABASE_URL="", SURGE_LANES="none")
        _, words = process.communicate(timeout=10)
        assert process.returncode == 2
        assert words.count("\n") == 1
        assert "DATABASE_URL: missing" in words
        assert "SURGE_LANES='none'" in words


def test_a_worker_that_can_not_be_started_is_told() -> None:
    """And tried again: a machine may be out of processes for a while."""
    port, metrics = free_ports(2)
    variables = {"DATABASE_URL": "postgresql://h/d", "SURGE_SECRET": SECRET,
                 "SURGE_PORT": str(port), "SURGE_METRICS_PORT": str(metrics)}  # fmt: skip
    program = "import sys; from target_app.service import main; sys.executable = '/gone'; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=os.environ | variables, stderr=subprocess.PIPE
    ) as process:
        too_late = Timer(10, process.kill)
        too_late.start()
        assert process.stderr is not None
        words = process.stderr.readline()
        process.terminate()
        code = process.wait()
        too_late.cancel()
    assert b"worker 0 can't be started (No such file or directory); trying again" in words
    assert code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_five_seconds_even_with_clients(
    database_url: str, number: signal.Signals
) -> None:
    with service(database_url) as running:
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert idle.recv(100)
            code, seconds = running.stop(number)
    assert code == 0
    assert seconds < 5


@pytest.mark.slow
def test_a_crashed_database_means_503_until_it_is_back() -> None:
    with postgres() as server, service(server.url) as running:
        body = registration()
        first = running.call("POST", "/registrations", body).json()
        _kill_a_backend(server.pid)
        statuses = set()
        deadline = time.monotonic() + 15
        while True:
            answer = running.call("POST", "/registrations", body)
            statuses.add(answer.status_code)
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
                assert running.call("GET", "/healthz").status_code == 200
            elif answer.status_code == 200:
                break
            assert time.monotonic() < deadline, statuses
        assert statuses <= {200, 503}
        assert answer.json() == first, "the acknowledged write survived the crash"
        assert eventually(lambda: running.call("GET", "/readyz").status_code == 200)


def _kill_a_backend(server: int) -> None:
    """kill -9 of a backend: PostgreSQL ends all of them and recovers from its log."""
    backends = [
        child for child in psutil.Process(server).children() if "surge" in " ".join(child.cmdline())
    ]
    assert backends, "the service has connections"
    backends[0].kill()


@pytest.mark.slow
def test_a_database_that_is_not_there_yet_is_waited_for(database_url: str) -> None:
    (port,) = free_ports(1)
    http, metrics = free_ports(2)
    with postgres(port=port) as server:
        url = server.url
    process = spawn("service", DATABASE_URL=url, SURGE_PORT=str(http),
                    SURGE_METRICS_PORT=str(metrics))  # fmt: skip
    running = Running(process, f"http://127.0.0.1:{http}", f"http://127.0.0.1:{metrics}/metrics")
    try:
        eventually(lambda: _status(running, "/healthz") == 200)
        answer = running.call("GET", "/readyz")
        assert answer.status_code == 503
        assert "database" in detail(answer)
        assert running.call("POST", "/registrations", registration()).status_code == 503
    finally:
        running.stop()


def _status(running: Running, path: str) -> int:
    try:
        return running.call("GET", path).status_code
    except httpx.TransportError:
        return 0


def test_many_people_at_once_become_many_rows(running: Running) -> None:
    bodies = [registration() for _ in range(200)]
    with httpx.Client(base_url=running.url, timeout=30) as client, ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda body: client.post("/registrations", json=body), bodies))
    assert {answer.status_code for answer in answers} == {201}
    names = {answer.json()["registration"] for answer in answers}
    assert len(names) == 200
    assert names <= {row["registration"] for row in running.ledger()}


def test_request_ids_need_their_whole_form(running: Running) -> None:
    short = {**registration(), "request_id": uuid.uuid4().hex[:31]}
    assert running.call("POST", "/registrations", short).status_code == 422
