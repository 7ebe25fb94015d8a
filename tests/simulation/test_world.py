"""Building a world: what can't be named by an event is refused, and compiled code finds a home."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness import CHECKOUT
from simulation import layout as at
from simulation import replicas
from simulation.world import build_world
from tests.simulation.situations import PATIENT, Situation, journey
from workload.errors import InputError
from workload.journey import Journey, Step


def test_a_journey_too_long_for_the_codes_of_events_is_refused() -> None:
    """Steps beyond 15, attempts beyond 4,095: each fault with its remedy."""
    many = Journey(tuple(Step(f"step_{n}") for n in range(16)))
    with pytest.raises(InputError, match="at most 15 steps"):
        build_world(Situation("", walk=many).order(1))
    stubborn = journey(replace(PATIENT, attempts=4_093))
    with pytest.raises(InputError, match="at most 4095 attempts and polls"):
        build_world(Situation("", walk=stubborn).order(1))


def test_codes_keep_their_parts_apart() -> None:
    """The largest of each part touches no other, and a code fits in 63 bits."""
    code = at.code_of(at.NO_MAIL_YET, at.WHO_MASK, at.STEP_MASK, at.NUMBER_MASK)
    assert at.kind_of(code) == at.NO_MAIL_YET
    assert (code >> at.WHO_SHIFT) & at.WHO_MASK == at.WHO_MASK
    assert (code >> at.STEP_SHIFT) & at.STEP_MASK == at.STEP_MASK
    assert code & at.NUMBER_MASK == at.NUMBER_MASK
    assert code < 1 << 63


def test_every_cell_and_field_has_a_place_of_its_own() -> None:
    """No two names of a kind of record share a cell, and all lie inside of it."""
    sizes = {
             "C_": at.CELLS, "V_": at.VISIT, "M_": at.VISIT, "N_": at.VISIT, "Y_": at.VISIT,
             "J_": at.JOB, "F_": at.JOB,
             "K_": at.CORE, "L_": at.LOOP, "S_": at.STATION,
             "R_": at.ROUTE, "W_": at.WINDOW, "E_": at.END, "T_": at.TALLY,
             "G_": replicas.HEAD, "P_": replicas.REPLICA,
    }  # fmt: skip
    names = {**vars(at), **vars(replicas)}
    for prefix, size in sizes.items():
        places = [value for name, value in names.items() if name.startswith(prefix)]
        assert len(places) == len(set(places)), prefix
        assert max(places) < size, prefix


WHERE = "from simulation import compiled; import numba; print(numba.config.CACHE_DIR)"


@pytest.mark.slow
def test_compiled_code_finds_a_home_where_the_checkout_can_not_be_written(tmp_path: Path) -> None:
    """In the user's cache directory, then; NUMBA_CACHE_DIR goes before all."""
    house, user, own = tmp_path / "house", tmp_path / "user", tmp_path / "own"
    for room in ("workload", "simulation"):
        (house / room).mkdir(parents=True)
        for path in (CHECKOUT / room).glob("*.py"):
            (house / room / path.name).write_bytes(path.read_bytes())
    (house / ".cache").write_text("a file where the directory would be")

    def home(**environment: str) -> Path:
        command = [sys.executable, "-c", WHERE]
        told = subprocess.run(command, cwd=house, capture_output=True, text=True, check=True,
                              env={"PYTHONPATH": str(house), **environment})  # fmt: skip
        return Path(told.stdout.strip())

    assert home(XDG_CACHE_HOME=str(user)).is_relative_to(user / "surge" / "numba")
    assert home(XDG_CACHE_HOME=str(user), NUMBA_CACHE_DIR=str(own)) == own
