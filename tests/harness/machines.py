"""Three machines as network namespaces: a service, a master, a joiner, each wired to the others.

Every pair has a veth link of its own, so that a test can cut one. No end of a link is in the
host's own namespace, and no packet leaves these three.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import CHECKOUT

NAMES = ("service", "master", "joiner")
#: The service's address for both; its links only lead there.
SERVICE = "10.89.0.1"
#: The two ends of each link, and the third byte of their addresses.
LINKS = (("service", "master", 1), ("service", "joiner", 2), ("master", "joiner", 3))
MASTER = "10.89.3.1"
PATIENCE_S = 60


@dataclass
class Machines:
    """The machines of one test, and what it has started on them."""

    ip: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def name(self, machine: str) -> str:
        """Of its namespace: of this process alone."""
        return f"surge-{machine}-{os.getpid()}"

    def tell(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`ip WORDS`."""
        return subprocess.run([self.ip, *words], capture_output=True, text=True, check=True)

    def on(self, machine: str, *words: str) -> None:
        """`ip WORDS` on one of the machines."""
        self.tell("-n", self.name(machine), *words)

    def start(self, machine: str, *command: str) -> subprocess.Popen[str]:
        """A program on one of the machines; both of its outputs are pipes."""
        process = subprocess.Popen(
            [self.ip, "netns", "exec", self.name(machine), *command],
            cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        self.started.append(process)
        return process

    def cut(self, machine: str, other: str) -> None:
        """No packet passes between these two from now on."""
        self.on(machine, "link", "set", f"to-{other}", "down")

    def wire(self) -> None:
        """Namespaces, links, addresses, and the ways to the service."""
        for machine in NAMES:
            self.tell("netns", "add", self.name(machine))
            self.on(machine, "link", "set", "lo", "up")
        for one, other, number in LINKS:
            self.on(
                one, "link", "add", f"to-{other}", "type", "veth",
                "peer", "name", f"to-{one}", "netns", self.name(other),
            )  # fmt: skip
            for end, (here, there) in enumerate(((one, other), (other, one)), start=1):
                self.on(here, "addr", "add", f"10.89.{number}.{end}/24", "dev", f"to-{there}")
                self.on(here, "link", "set", f"to-{there}", "up")
        self.on("service", "addr", "add", f"{SERVICE}/32", "dev", "lo")
        for machine, number in (("master", 1), ("joiner", 2)):
            self.on(machine, "route", "add", SERVICE, "via", f"10.89.{number}.1")

    def remove(self) -> None:
        """Processes first, then links, then namespaces, however far it had come."""
        for process in self.started:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        for one, other, _ in LINKS:
            self._try("-n", self.name(one), "link", "del", f"to-{other}")
        for machine in NAMES:
            self._try("netns", "del", self.name(machine))

    def _try(self, *words: str) -> None:
        subprocess.run([self.ip, *words], capture_output=True, check=False)


@contextmanager
def three_machines() -> Iterator[Machines]:
    """Wired for the time of the block; skips where this machine can't make any."""
    ip = shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if ip is None:
        pytest.skip("no `ip` on this machine (Debian: apt-get install iproute2)")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    machines = Machines(ip)
    try:
        try:
            machines.wire()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield machines
    finally:
        machines.remove()


def registering(name: str, folder: Path, duration_s: int) -> Path:
    """A short scenario as a file: 20 arrivals a second who register."""
    path = folder / f"{name}.toml"
    path.write_text(f"""\
schema = "surge/scenario/1"
name = "{name}"
seed = 11
objectives = ["success open_site > 99%"]

[arrivals]
duration = "{duration_s}s"
parts = [{{shape = "constant", per_s = 20.0}}]

[[steps]]
name = "open_site"

[[steps]]
name = "register"
pause = 0.1
""")
    return path
