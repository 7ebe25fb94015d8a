"""Temporary folders: gone at the end, and after a kill -9 with the next owner's start."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness.scratch import scratch, sweep

OWNER = """
import os
from harness.scratch import scratch
with scratch() as folder:
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_folder_is_private_and_gone_at_the_end() -> None:
    """Mode 700; it can be removed with what is in it."""
    with scratch() as folder:
        (folder / "data").mkdir()
        (folder / "data" / "file").touch()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_a_killed_owner_left_is_swept_and_what_lives_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that nobody holds marks a folder as left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with scratch() as mine:
        owner = subprocess.run(
            [sys.executable, "-c", OWNER],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert owner.returncode == -9
        left = Path(owner.stdout.strip())
        assert left.is_dir()
        with scratch():
            assert not left.exists()
            assert mine.exists()


def test_a_folder_that_is_just_being_made_is_left_alone(tmp_path: Path) -> None:
    """It has no owner file yet; a folder of somebody else does not count at all."""
    (tmp_path / "surge-scratch-making").mkdir()
    (tmp_path / "theirs").mkdir()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"surge-scratch-making", "theirs"}
