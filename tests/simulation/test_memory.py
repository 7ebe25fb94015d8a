"""What a projection keeps of a person: at most 32 bytes, beside those who are in the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness import CHECKOUT
from simulation.room import Plane

BYTES_A_PERSON = 32
FEW, MANY = 300_000, 1_300_000
SCENARIO = """
schema = "surge/scenario/1"
name = "a-day"
seed = 13

[arrivals]
duration = "24h"
opens_at = "00:00"
population = {people}

[[arrivals.parts]]
shape = "constant"
per_s = 1

[[steps]]
name = "open_site"

[[steps]]
name = "register"
pause = 5
"""
WALK = """
import resource, sys
from pathlib import Path
from benchmarks.costs import OURS
from simulation.deployment import load_deployment
from simulation.projection import Question, replicate
from workload.manifest import Bending
from workload.scenario import load_scenario

def walk(path):
    scenario = load_scenario(path)
    bending = Bending((0.0, scenario.curve.duration_s))
    return replicate(Question(scenario, OURS, load_deployment("national"), bending), scenario.seed)

walk(sys.argv[1])  # compiles, or reads what was compiled
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is the compiler's
begun = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
people = walk(sys.argv[2]).people
status = Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
print(people, peak - begun)
"""


def walked(people: int, tmp_path: Path) -> tuple[int, int]:
    """(people, bytes at the peak beyond those before) of a day in a process of its own."""
    little, whole = tmp_path / "little.toml", tmp_path / "whole.toml"
    little.write_text(SCENARIO.format(people=1_000))
    whole.write_text(SCENARIO.format(people=people))
    answer = subprocess.run(
        [sys.executable, "-c", WALK, str(little), str(whole)], cwd=CHECKOUT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    found, taken = answer.stdout.split()
    return int(found), int(taken)


@pytest.mark.slow
def test_a_million_people_more_take_thirty_two_bytes_each(tmp_path: Path) -> None:
    """A day with a million more of them, on a service that keeps up: what is added is theirs."""
    (few, before), (many, after) = (walked(people, tmp_path) for people in (FEW, MANY))
    assert many - few == pytest.approx(MANY - FEW, rel=0.01)
    assert (after - before) / (many - few) <= BYTES_A_PERSON


def test_a_plane_grows_where_it_is_and_keeps_its_cells() -> None:
    """Also while somebody looks at the former array, who then keeps what it was."""
    plane = Plane(1_000)
    plane.array[:] = np.arange(1_000)
    assert np.array_equal(plane.grow(1 << 20)[:1_000], np.arange(1_000))
    assert not plane.array[1_000:].any()
    looked_at = plane.array
    grown = plane.grow(1 << 21)
    grown[0] = 7
    assert looked_at[0] == 0
    assert np.array_equal(grown[1:1_000], np.arange(1, 1_000))
    assert len(grown) == 1 << 21
