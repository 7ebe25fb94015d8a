"""What docker-compose.yml says, run without an engine: its commands, variables and health checks.

Every process starts exactly as its container would, among the files that the image has and in its
environment, with names and ports moved to free ones of this machine, and with a proxy that an
engine may tell of. What stays untried is what only an engine does: images, networks, volumes.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from harness import CHECKOUT
from harness.database import fresh_database
from harness.ports import claim_all
from tests.loadtests.drive import on_schedule
from tests.packaging.containers import (
    Service,
    copied,
    environment,
    image_environment,
    listens_on,
    services,
)
from workload.manifest import read_manifest

pytestmark = pytest.mark.slow

READY_S = 60.0
DEAD_PROXY = "http://127.0.0.1:1"
ORDER = ("registry", "mailbox", "photos", "service", "worker")


@dataclass(frozen=True)
class Here:
    """This machine in place of the containers' network."""

    names: frozenset[str]
    ports: Mapping[int, int]
    database: str
    image: Path

    @classmethod
    def of(cls, found: Mapping[str, Service], database: str, image: Path) -> "Here":
        used = {port for name, service in found.items() for port in listens_on(name, service)}
        free = claim_all({**{str(port): 0 for port in used}, "5557": 0})
        return cls(
            frozenset(found), {int(port): new for port, new in free.items()}, database, image
        )

    def moved(self, text: str) -> str:
        """A value or a part of a command, with every address in it moved."""
        names = "|".join(map(re.escape, sorted(self.names)))

        def port(match: re.Match[str]) -> str:
            return f"127.0.0.1:{self.ports[int(match[1])]}"

        text = re.sub(rf"(?<![\w.-])(?:{names}|127\.0\.0\.1):(\d+)", port, text)
        text = re.sub(rf"^(--[\w-]+-host=|)(?:{names}|0\.0\.0\.0)$", r"\g<1>127.0.0.1", text)
        return re.sub(r"^(--[\w-]+-port=)(\d+)$", lambda m: f"{m[1]}{self.ports[int(m[2])]}", text)

    def variables(self, service: Service) -> dict[str, str]:
        moved = {}
        for name, value in environment(service).items():
            if name == "DATABASE_URL":
                moved[name] = self.database
            elif name.endswith("_PORT"):
                moved[name] = str(self.ports[int(value)])
            else:
                moved[name] = self.moved(value)
        given = {**image_environment(), "PYTHONPATH": str(self.image), "http_proxy": DEAD_PROXY}
        return {"PATH": os.environ["PATH"], **given, **moved}

    def command(self, parts: list[str]) -> list[str]:
        programs = {"python": sys.executable, "locust": str(Path(sys.executable).parent / "locust")}
        return [programs[parts[0]], *map(self.moved, parts[1:])]


@contextmanager
def container(
    here: Here, service: Service, log: Path, *more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Its process, ended as an engine ends it: SIGTERM, and 5 s to go."""
    command = [*here.command(service["command"]), *more]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=here.image, env=here.variables(service), stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_healthy(here: Here, service: Service, log: Path) -> None:
    """Run the health check until it is content."""
    check = here.command(service["healthcheck"]["test"][1:])
    deadline = time.monotonic() + READY_S
    given = here.variables(service)
    while subprocess.run(check, env=given, capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


@dataclass(frozen=True)
class Ended:
    """What a campaign of the containers' processes left: its folder, and how they ended."""

    folder: Path
    codes: Mapping[str, int | None]


def files_of_the_image(folder: Path) -> Path:
    """What the Dockerfile copies, and nothing else of the checkout."""
    folder.mkdir()
    for name in copied():
        take = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copyfile
        take(CHECKOUT / name, folder / name)
    return folder


def campaign(server: str, folder: Path) -> Ended:
    """All of them on a database of their own, until the master has ended; logs in the folder."""
    found = services()
    processes = {}
    image = files_of_the_image(folder / "image")
    with fresh_database(server) as database, ExitStack() as running:
        here = Here.of(found, database, image)
        for name in ORDER:
            log = folder / f"{name}.log"
            processes[name] = running.enter_context(container(here, found[name], log))
            wait_until_healthy(here, found[name], log)
        port = here.ports[5557]
        master = running.enter_context(
            container(
                here, found["load-master"], folder / "master.log",
                f"--master-bind-port={port}", "--window=20s..23s", "--drain=8s",
                f"--run-dir={folder / 'run'}",
            )
        )  # fmt: skip
        for number in range(found["load-worker"]["deploy"]["replicas"]):
            log = folder / f"load-worker-{number}.log"
            running.enter_context(
                container(here, found["load-worker"], log, f"--master-port={port}")
            )
        master.wait(timeout=60)
    return Ended(folder, {name: process.returncode for name, process in processes.items()})


def test_the_containers_processes_carry_a_campaign(database_url: str, tmp_path: Path) -> None:
    """Healthy one after the other; Locust's master and workers drive it; all end with 0."""
    ended = on_schedule(tmp_path, partial(campaign, database_url))
    manifest = read_manifest(ended.folder / "run")
    assert (manifest.status, manifest.reasons) == ("complete", ()), manifest.reasons
    assert len(manifest.generator["workers"]) == 2
    assert manifest.generator["ledger"] == "exported"
    ledger = (ended.folder / "run" / "ledger.ndjson").read_text().splitlines()
    assert len(ledger) > 40
    assert ended.codes == dict.fromkeys(ORDER, 0)
