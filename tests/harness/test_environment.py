"""Set-up of .venv: done once, begun again when interrupted, by one at a time, and said aloud."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import CHECKOUT
from harness.environment import SetupError, main, pinned, ready

LOCK = (CHECKOUT / "requirements.lock").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a space in its name, whose lock pins uv and one small package."""
    root = tmp_path / "my checkout"
    root.mkdir()
    (root / "requirements.lock").write_text(pinned(LOCK, "uv") + pinned(LOCK, "iniconfig"))
    return root


def setting_up(root: Path) -> subprocess.Popen[str]:
    script = str(CHECKOUT / "harness" / "environment.py")
    return subprocess.Popen(
        [sys.executable, "-I", script, str(root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def has(root: Path, package: str) -> bool:
    command = [str(root / ".venv" / "bin" / "python"), "-I", "-c", f"import {package}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_packages_stanza_is_its_version_and_its_hashes() -> None:
    """Neither the stanza before nor the one after comes along; an absent name is an error."""
    stanza = pinned(LOCK, "uv")
    assert stanza.startswith("uv==")
    assert stanza.count("==") == 1
    assert stanza.count("--hash=sha256:") > 5
    with pytest.raises(SetupError, match="does not pin no-such-package"):
        pinned(LOCK, "no-such-package")


def test_only_the_stamp_of_exactly_this_lock_counts(tmp_path: Path) -> None:
    """No stamp, another lock's stamp, or no Python: not ready."""
    (tmp_path / "requirements.lock").write_text("new")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    assert not ready(tmp_path)
    (tmp_path / ".venv" / "surge.stamp").write_text("old")
    assert not ready(tmp_path)
    (tmp_path / ".venv" / "surge.stamp").write_text("new")
    assert ready(tmp_path)
    python.unlink()
    assert not ready(tmp_path)


def test_a_start_that_has_its_environment_looks_for_no_python() -> None:
    """`SURGE_PYTHON` names nothing that runs, and nobody minds."""
    environment = {**os.environ, "SURGE_PYTHON": "no-such-python"}
    answer = subprocess.run(
        ["./surge", "doctor", "--help"],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_machine_without_a_suitable_python_is_told_what_to_install(tmp_path: Path) -> None:
    """Exit 2, and both remedies."""
    shutil.copy(CHECKOUT / "surge", tmp_path)
    (tmp_path / "requirements.lock").touch()
    environment = {**os.environ, "SURGE_PYTHON": "no-such-python"}
    answer = subprocess.run(
        [tmp_path / "surge"], env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "no Python 3.11 to 3.15" in answer.stderr
    assert "SURGE_PYTHON=" in answer.stderr


def test_the_script_and_pyproject_agree_on_the_oldest_and_newest_python() -> None:
    """The cap is written in both."""
    assert 'requires-python = ">=3.11,<3.16"' in (CHECKOUT / "pyproject.toml").read_text()
    assert "(3, 11) <= sys.version_info[:2] < (3, 16)" in (CHECKOUT / "surge").read_text()


@pytest.mark.slow
def test_set_up_says_what_it_does_and_a_second_one_does_nothing(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then the packages are there, and the checkout itself is on the path."""
    (checkout / "room.py").write_text('"""A room."""')
    assert main([str(checkout)]) == 0
    told = capsys.readouterr().err
    assert "making .venv" in told
    assert "installing 2 pinned packages" in told
    assert has(checkout, "iniconfig")
    assert has(checkout, "room")
    assert (checkout / ".venv" / "bin" / "surge").readlink() == checkout / "surge"
    assert main([str(checkout)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_changed_lock_is_followed_by_pip_where_uv_does_not_run(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and installs the same."""
    assert main([str(checkout)]) == 0
    uv = checkout / ".venv" / "bin" / "uv"
    uv.unlink()
    uv.write_text("#!/bin/sh\nexit 1\n")
    uv.chmod(0o755)
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write(pinned(LOCK, "pluggy"))
    capsys.readouterr()
    assert main([str(checkout)]) == 0
    told = capsys.readouterr().err
    assert "requirements.lock has changed" in told
    assert "using pip instead" in told
    assert has(checkout, "pluggy")


@pytest.mark.slow
def test_a_package_whose_hash_is_wrong_is_refused(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and the next start tries again: there is no stamp."""
    lock = checkout / "requirements.lock"
    name, *_ = pinned(LOCK, "iniconfig").splitlines()
    lock.write_text(f"{pinned(LOCK, 'uv')}{name}\n    --hash=sha256:{'0' * 64}\n")
    assert main([str(checkout)]) == 2
    assert "could not be installed" in capsys.readouterr().err
    assert not ready(checkout)


@pytest.mark.slow
def test_an_interrupted_set_up_is_begun_again(checkout: Path) -> None:
    """Exit 130 for the first; the second makes all of it."""
    first = setting_up(checkout)
    deadline = time.monotonic() + 10
    while not (checkout / ".venv" / "bin").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    assert "interrupted" in first.communicate(timeout=20)[1]
    assert first.returncode == 130
    assert not ready(checkout)
    assert main([str(checkout)]) == 0
    assert ready(checkout)
    assert has(checkout, "iniconfig")


@pytest.mark.slow
def test_of_two_set_ups_at_once_one_waits(checkout: Path) -> None:
    """Both end well, and only one of them installed anything."""
    both = [setting_up(checkout), setting_up(checkout)]
    told = sorted(process.communicate(timeout=60)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert ["installing" in text for text in told].count(True) == 1
    assert ["waiting for it" in text for text in told].count(True) == 1
    assert has(checkout, "iniconfig")
