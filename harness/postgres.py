"""A PostgreSQL of our own, for as long as a `with` block lasts, or until our process is killed.

It is durable as in production (fsync and synchronous_commit on), lives in a fresh folder, and
listens on 127.0.0.1 with a password made for it alone.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness.database import execute, with_database
from harness.errors import HarnessError
from harness.ports import claim
from harness.postgres_binaries import Binaries, find_binaries, unprivileged, usable_by
from harness.scratch import scratch
from harness.tether import Account, tethered

READY_WITHIN_S = 20.0

# Only settings that PostgreSQL 15 to 18 know.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_connections": "200",
    # Checkpoints in the middle of a short run would set its tail: one in half an hour.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
}


class PostgresFailed(HarnessError):  # noqa: N818 - it names what happened
    """The server did not start, or ended by itself; the message has the end of its log."""

    exit_code = 3


@dataclass
class Postgres:
    """A running server. `url` names its database `surge`, with user and password."""

    url: str
    port: int
    folder: Path
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def died(self) -> bool:
        return self.process.poll() is not None

    def last_words(self, lines: int = 8) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Fast shutdown; after 3 s an immediate one: nobody needs the data any more."""
        for wish, patience_s in ((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.0)):
            if not self.died:
                self.process.send_signal(wish)
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
            return
        self.process.kill()
        self.process.wait()


def initialise(binaries: Binaries, folder: Path, account: Account | None, password: str) -> None:
    """`initdb`, about 0.7 s. Raises PostgresFailed with what it said."""
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if account:
        os.chown(secret, account.uid, account.gid)
    command = [binaries.program("initdb"), "-D", str(folder / "data"), "-U", "surge"]
    command += ["--no-sync", "--locale=C", "--encoding=UTF8", "--auth=scram-sha-256"]
    command += [f"--pwfile={secret}"]
    answer = subprocess.run(
        tethered(command, account=account),
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    secret.unlink()
    if answer.returncode != 0:
        raise PostgresFailed(f"initdb failed:\n{(answer.stdout + answer.stderr).strip()}")


def launch(
    binaries: Binaries,
    folder: Path,
    port: int,
    options: Mapping[str, str],
    *,
    account: Account | None,
    cores: Iterable[int] | None,
    output: IO[bytes],
) -> subprocess.Popen[bytes]:
    settings = {
        **SETTINGS,
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        **options,
    }
    command = [binaries.program("postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return subprocess.Popen(
        # SIGINT is PostgreSQL's fast shutdown: it ends its sessions and goes.
        tethered(command, die_by=signal.SIGINT, cores=cores, account=account),
        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        cwd=folder, start_new_session=True,
    )  # fmt: skip


def await_ready(server: Postgres) -> None:
    """Ready means that a real connection gets an answer. Raises PostgresFailed."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        if server.died:
            raise PostgresFailed(f"PostgreSQL ended at once:\n{server.last_words()}")
        try:
            execute(with_database(server.url, "postgres"), "SELECT 1")
        except Exception as error:  # noqa: BLE001 - "not yet" has many faces; told at the deadline
            refusal = error
        else:
            return
        if time.monotonic() > deadline:
            raise PostgresFailed(
                f"PostgreSQL did not answer within {READY_WITHIN_S:.0f} s ({refusal}):\n"
                f"{server.last_words()}"
            )
        time.sleep(0.02)


@contextmanager
def postgres(
    *,
    port: int = 0,
    cores: Iterable[int] | None = None,
    log: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[Postgres]:
    """A server with an empty database `surge`. Port 0 takes a free one; `options` are GUCs.

    Raises BadInput when there are no binaries or the port is taken, PostgresFailed when the
    server does not start.
    """
    port = claim(port, "PostgreSQL")
    binaries, account, password = find_binaries(), unprivileged(), secrets.token_hex(16)
    with scratch(account) as folder:
        binaries = usable_by(binaries, account, folder)
        initialise(binaries, folder, account, password)
        journal = log or folder / "postgres.log"
        with journal.open("wb") as output:
            process = launch(
                binaries, folder, port, options or {}, account=account, cores=cores, output=output
            )
        url = f"postgresql://surge:{password}@127.0.0.1:{port}/surge"
        server = Postgres(url, port, folder, journal, process)
        try:
            await_ready(server)
            execute(with_database(url, "postgres"), 'CREATE DATABASE "surge"')
            yield server
        finally:
            server.stop()


@contextmanager
def database(*, port: int = 0, cores: Iterable[int] | None = None) -> Iterator[str]:
    """URL of the database to use: DATABASE_URL where it is set, else of a server of our own."""
    named = os.environ.get("DATABASE_URL")
    if named:
        yield named
        return
    with postgres(port=port, cores=cores) as server:
        yield server.url
