"""Where CI runs, a skipped test is a failed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import CHECKOUT

SKIPS = """
import pytest


@pytest.mark.skip(reason="by a mark")
def test_marked():
    assert False


def test_skips_itself():
    pytest.skip("by its own words")


@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False
"""
SKIPPED_FILE = 'import pytest\n\npytest.skip("the whole file", allow_module_level=True)\n'


@pytest.mark.parametrize(
    ("ci", "code", "closing"),
    [("", 0, "3 skipped, 1 xfailed"), ("true", 1, "1 failed, 1 xfailed, 2 errors")],
)
def test_a_skip_fails_in_ci_and_nowhere_else(
    tmp_path: Path, ci: str, code: int, closing: str
) -> None:
    """By a mark, by the test itself, and of a whole file; an expected failure is no skip."""
    (tmp_path / "test_some.py").write_text(SKIPS)
    (tmp_path / "test_file.py").write_text(SKIPPED_FILE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", str(tmp_path)]
    command += ["-p", "no:cacheprovider", "--continue-on-collection-errors", "-c", os.devnull]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(CHECKOUT), "COLUMNS": "80"}
    answer = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert closing in answer.stdout.splitlines()[-1], answer.stdout + answer.stderr
    assert answer.returncode == code
    assert ("CI allows no skip" in answer.stdout) == bool(ci)
