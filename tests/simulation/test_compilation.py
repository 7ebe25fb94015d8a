"""How functions become machine code: once, whoever wants them at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import CHECKOUT

#: Says how often numba compiled, once everybody has begun.
SUM = """
import sys
import numba
import numpy as np
from numba.core.event import install_recorder
from simulation.compilation import machine_code

numba.config.CACHE_DIR = sys.argv[1]

@machine_code(outermost=True)
def total(cells):
    found = 0
    for cell in cells:
        found += cell
    return found

print("ready", flush=True)
sys.stdin.readline()
with install_recorder("numba:compile") as seen:
    assert total(np.arange(4)) == 6
    assert total(np.arange(5)) == 10
print(len(seen.buffer))
"""


def begun(program: Path, cache: Path) -> subprocess.Popen[str]:
    """A process that has its function and waits for a line."""
    process = subprocess.Popen(
        [sys.executable, str(program), str(cache)], env={"PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_of_several_processes_that_want_a_function_one_compiles_it(tmp_path: Path) -> None:
    """The others wait for it, and read what it kept."""
    program = tmp_path / "program.py"
    program.write_text(SUM)
    processes = [begun(program, tmp_path / "cache") for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    compiled = [int(process.communicate(timeout=60)[0]) > 0 for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(compiled) == [False, False, True]
