"""The whole reference system on this machine: up, described, and gone without a trace."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import CHECKOUT
from harness.database import execute
from harness.errors import RunInvalid
from harness.stack import Stack
from harness.stack_settings import StackSettings

pytestmark = pytest.mark.slow


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own system
        body = response.read().decode()
    return json.loads(body) if "json" in response.headers["content-type"] else body


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`surge serve --free-ports --json …`, and what it said when it was ready.

    SIGINT comes in ignored, as a script hands it on to what runs in its background.
    """
    deaf = ["sh", "-c", """trap '' INT; exec "$@\"""", "sh"]
    command = [*deaf, "./surge", "serve", "--free-ports", "--json", *arguments]
    process = subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=10)


def family(pids: list[int]) -> list[psutil.Process]:
    """These processes and their descendants: HTTP workers, PostgreSQL's backends."""
    parents = [psutil.Process(pid) for pid in pids]
    return [*parents, *(child for parent in parents for child in parent.children(recursive=True))]


def test_the_system_answers_everywhere_and_describes_itself() -> None:
    """Settings reach the service; /capacity carries what only the stack knows."""
    with Stack(StackSettings(pool=3, registry_slots=5)) as stack:
        stack.check()
        capacity = get(f"{stack.service}/capacity")
        assert (capacity["pool"], capacity["registry_slots"]) == (3, 5)
        assert capacity["mailbox"] == stack.mailbox
        assert capacity["metrics"] == stack.metrics
        assert capacity["cores"] == (stack.placement.as_json() if stack.placement else {})
        for name, url in stack.metrics.items():
            assert "process_cpu_seconds_total" in get(url), name
        everybody = family(list(stack.pids.values()))
        if stack.placement:
            service = psutil.Process(stack.pids["service"])
            assert tuple(service.cpu_affinity()) == stack.placement.service
        assert {path.stem for path in stack.logs.iterdir()} >= {"service", "postgres"}
    assert psutil.wait_procs(everybody, timeout=2)[1] == []
    assert not stack.logs.exists()


def test_it_makes_its_own_database_on_the_server_of_database_url(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is in that server stays as it was; logs that are asked for are kept."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    before = execute(database_url, "SELECT datname FROM pg_database ORDER BY 1")
    with Stack(logs=tmp_path / "logs") as stack:
        assert stack.postgres is None
        assert stack.database != database_url
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert execute(stack.database, tables)[0][0] > 0
    assert execute(database_url, "SELECT datname FROM pg_database ORDER BY 1") == before
    assert (tmp_path / "logs" / "service.log").exists()


def test_a_part_that_dies_is_named() -> None:
    """`check` raises at the next look, whichever part it is."""
    with Stack() as stack:
        mailbox = next(child for child in stack.children if child.name == "mailbox")
        mailbox.process.kill()
        mailbox.process.wait(timeout=10)
        with pytest.raises(RunInvalid, match="mailbox was ended by SIGKILL"):
            stack.check()


def test_ctrl_c_stops_all_of_serve_within_10_s() -> None:
    """Exit 130, nothing left running, and exactly one line was said on stdout."""
    with serving() as (process, said):
        everybody = family(said["pids"])
        assert said["schema"] == "surge/serve/1"
        assert get(f"{said['service']}/healthz")
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - started < 10
    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    assert psutil.wait_procs(everybody, timeout=2)[1] == []


def test_kill_9_of_serve_leaves_no_process() -> None:
    """The kernel tells every part that its owner is gone; 10 s later there is none."""
    with serving() as (process, said):
        everybody = family(said["pids"])
        process.kill()
        process.wait()
        alive = psutil.wait_procs(everybody, timeout=10)[1]
    assert len(everybody) > len(said["pids"]) > 5
    assert alive == []


def test_serve_ends_when_its_database_is_killed() -> None:
    """Exit 3, and PostgreSQL is named."""
    with serving() as (process, said):
        postgres = next(pid for pid in said["pids"] if psutil.Process(pid).name() == "postgres")
        os.kill(postgres, signal.SIGKILL)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 3
    assert "PostgreSQL has ended" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "lanes=0"], "SURGE_LANES='0'"),
        (["--set", "lanes=none", "--set", "pol=1"], "lanes='none': give a whole number"),
        (["--set", "registry_twin_latency_s=3,1"], "SURGE_REGISTRY_TWIN_LATENCY"),
    ],
)
def test_a_bad_setting_ends_serve_with_exit_2(arguments: list[str], told: str) -> None:
    """Told by whoever can tell: the settings, or the process that reads them."""
    command = ["./surge", "serve", "--free-ports", *arguments]
    answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert told in answer.stderr


def test_a_taken_port_ends_serve_at_once_with_exit_2() -> None:
    """The port and its purpose are named, before anything was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = ["./surge", "serve", "--free-ports", "--port", port]
        answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert f"port {port} for service" in answer.stderr
