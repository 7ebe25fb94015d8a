"""`surge load --master` and `--join`: real machines on a real network, and what may befall them."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import CHECKOUT
from harness.ports import claim
from tests.harness.machines import (
    MASTER,
    PATIENCE_S,
    SERVICE,
    Machines,
    registering,
    three_machines,
)
from tests.loadtests.drive import on_schedule
from workload.history import read_history
from workload.laws import broken
from workload.manifest import read_manifest

Verb = Callable[..., Any]
SURGE = str(CHECKOUT / "surge")
SITE = str(CHECKOUT / "tests" / "loadtests" / "site.py")


@dataclass
class Party:
    """A service that runs on one of the machines, and the run directory of the master."""

    machines: Machines
    target: str
    run_dir: Path

    def master(self, duration_s: int, *more: str) -> subprocess.Popen[str]:
        scenario = registering("party", self.run_dir.parent, duration_s)
        return self.machines.start(
            "master", SURGE, "load", str(scenario), "--target", self.target,
            "--yes-i-own", self.target, "--master", "1", "--listen", f"{MASTER}:5557",
            "--drain", "3s", "--run-dir", str(self.run_dir), "--json", *more,
        )  # fmt: skip

    def joiner(self) -> subprocess.Popen[str]:
        return self.machines.start("joiner", SURGE, "load", "--join", f"{MASTER}:5557")

    def at(self, seconds: float) -> None:
        """Return when visitors have come for so long."""
        deadline, path = time.monotonic() + PATIENCE_S, self.run_dir / "progress.json"
        while not path.exists() or json.loads(path.read_text())["at_s"] < seconds:
            assert time.monotonic() < deadline, "the run did not begin in time"
            time.sleep(0.1)


@pytest.fixture
def party(tmp_path: Path) -> Iterator[Party]:
    with three_machines() as machines:
        service = machines.start("service", sys.executable, SITE, SERVICE)
        assert service.stdout is not None
        yield Party(machines, service.stdout.readline().strip(), tmp_path / "run")


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a program that ends by itself."""
    out, told = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, told


@pytest.mark.slow
def test_what_both_machines_walked_arrives_in_the_masters_run_directory(party: Party) -> None:
    """One schedule, shared: everybody once, on time, from both; the joiner needs only --join."""

    def walked(folder: Path) -> tuple[tuple[int, str, str], int]:
        party.run_dir = folder / "run"
        master, joiner = party.master(4), party.joiner()
        return ended(master), ended(joiner)[0]

    (code, out, told), joined = on_schedule(party.run_dir.parent, walked)
    assert code == 0, told
    assert f"./surge load --join {MASTER}:5557" in told
    assert joined == 0
    found = json.loads(out)
    assert found["status"] == "complete"
    shards = sorted(file.name for file in party.run_dir.glob("history-*.arrows"))
    assert shards == ["history-0.arrows", "history-1.arrows"]
    history = read_history(party.run_dir)
    assert broken(history) == []
    shares = [one["arrived"] for one in read_manifest(party.run_dir).generator["workers"]]
    assert min(shares) > 20
    assert sum(shares) == len(np.unique(history["visitor"])) == found["summary"]["visits"]


@pytest.mark.slow
def test_a_joiner_that_is_cut_off_makes_the_run_invalid_and_loads_no_longer(party: Party) -> None:
    """The master ends the run within seconds; the joiner, who still reaches the service, leaves."""
    master, joiner = party.master(60), party.joiner()
    party.at(2.0)
    party.machines.cut("joiner", "master")
    began = time.monotonic()
    code, out, told = ended(master)
    assert code == 3, told
    assert any("worker lost" in reason for reason in json.loads(out)["reasons"])
    assert len(read_history(party.run_dir, cut_short_is_fine=True)) > 40
    code, _, told = ended(joiner)
    assert code == 3
    assert "the master said nothing for 10 s" in told
    assert time.monotonic() - began < 30


@pytest.mark.slow
def test_ctrl_c_on_a_joiner_makes_the_run_invalid_at_once(party: Party) -> None:
    """Its part of the load is missing from then on: said with the machine's name."""
    master, joiner = party.master(60), party.joiner()
    party.at(2.0)
    joiner.send_signal(signal.SIGINT)
    assert ended(joiner)[0] == 130
    code, out, told = ended(master)
    assert code == 3, told
    assert any("it was told to leave, on" in reason for reason in json.loads(out)["reasons"])
    history = read_history(party.run_dir, cut_short_is_fine=True)
    assert broken(history) == []


@pytest.mark.slow
def test_ctrl_c_on_the_master_ends_the_run_everywhere(party: Party) -> None:
    """Marked interrupted, with what both have seen; who joined too late is told so."""
    master, joiner = party.master(60), party.joiner()
    party.at(2.0)
    late = party.joiner()
    time.sleep(3.0)
    master.send_signal(signal.SIGINT)
    code, out, told = ended(master)
    assert code == 130, told
    assert json.loads(out)["status"] == "interrupted"
    assert broken(read_history(party.run_dir)) == []
    code, _, told = ended(joiner)
    assert code == 0
    assert "the run is over" in told
    code, _, told = ended(late)
    assert code == 3
    assert "without this worker" in told


@pytest.mark.slow
def test_a_joiner_that_can_not_reach_the_target_is_named_before_anybody_comes(party: Party) -> None:
    """Its failures would look like the service's."""
    party.machines.cut("joiner", "service")
    master, joiner = party.master(60), party.joiner()
    code, _, told = ended(master)
    assert code == 3
    assert re.search(rf"worker \d on .*{party.target}/readyz was not healthy", told), told
    code, _, told = ended(joiner)
    assert code == 3
    assert f"{party.target}/readyz was not healthy" in told


@pytest.mark.slow
def test_ctrl_c_on_a_master_that_waits_leaves_nothing_behind(party: Party) -> None:
    """Nobody has come yet, so there is no run to mark."""
    master = party.master(60)
    assert master.stderr is not None
    assert "waiting for 1 to join" in master.stderr.readline()
    time.sleep(2.0)
    master.send_signal(signal.SIGINT)
    assert ended(master)[0] == 130
    assert not (party.run_dir / "manifest.json").exists()


@pytest.mark.slow
def test_a_master_that_is_not_there_is_named_within_15_s() -> None:
    """Exit 3, with what to do on the first machine."""
    port = claim(0, "nobody")
    began = time.monotonic()
    process = subprocess.run(
        [SURGE, "load", "--join", f"127.0.0.1:{port}"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 3
    assert f"no master at 127.0.0.1:{port}" in process.stderr
    assert "start it first, with --master" in process.stderr
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--join", "elsewhere"], "--join = 'elsewhere': write HOST:PORT"),
        (["--join", "[::1]:5557"], "write HOST:PORT"),
        (["--join", "127.0.0.1:99999"], "write HOST:PORT"),
        (["--join", "127.0.0.1:0"], "port 0 is nobody's"),
        (["--join", "127.0.0.1:1", "smoke"], "SCENARIO = 'smoke': the master says"),
        (["--join", "127.0.0.1:1", "--set", "pool=3"], "--set = ['pool=3']: the master says"),
        (["--join", "127.0.0.1:1", "--workers", "2"], "--workers = '2': the master says"),
        ([], "SCENARIO = '': name a built-in scenario"),
        (["smoke", "--master", "2"], "add --target URL"),
        (["smoke", "--listen", "127.0.0.1:0"], "it goes with --master N"),
        (["smoke", "--target", "http://127.0.0.1:1", "--master", "0"], "from 1 to 1000"),
        (["smoke", "--target", "http://127.0.0.1:1", "--workers", "0"], "from 1 to 256"),
        (
            ["smoke", "--target", "http://127.0.0.1:1", "--master", "1", "--listen", "0.0.0.0:0"],
            "another machine would load its own loopback",
        ),
        (
            ["smoke", "--target", "http://127.0.0.1:1", "--master", "1", "--listen", "192.0.2.1:0"],
            "give an own address",
        ),
    ],
)
def test_wrong_options_are_told_before_anything_starts(
    verb: Verb, options: list[str], words: str
) -> None:
    """Exit 2: option, value, remedy."""
    answer = verb("load", *options)
    assert answer.code == 2
    assert words in answer.told
