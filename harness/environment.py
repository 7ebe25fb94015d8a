"""Makes .venv from requirements.lock. It runs before anything is installed: standard library only.

`./surge` calls it as a script, and only when the stamp in .venv is not equal to the lock. The stamp
is written last, so an interrupted set-up is started over; a file lock keeps two of them apart.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SetupError(Exception):
    """The environment could not be made; the message says what to do about it."""


def say(text: str) -> None:
    print(f"surge: {text}", file=sys.stderr, flush=True)


def ready(root: Path) -> bool:
    """Whether .venv was completed from exactly this lock."""
    stamp = root / ".venv" / "surge.stamp"
    return (
        stamp.is_file()
        and stamp.read_bytes() == (root / "requirements.lock").read_bytes()
        and os.access(root / ".venv" / "bin" / "python", os.X_OK)
    )


def pinned(lock: str, name: str) -> str:
    """The stanza of one package in the lock: its version and its hashes."""
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)+.*\n?", lock, re.MULTILINE)
    if found is None:
        raise SetupError(f"requirements.lock does not pin {name}: make the lock again")
    return found.group(0)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Only one set-up of this checkout at a time; the kernel lets go of the lock when we die."""
    with (root / ".venv-lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this checkout is running; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run(command: list[str]) -> bool:
    """Run one installer, showing what it downloads but not the list of every package."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    for line in process.stdout:
        if not line.startswith((" + ", " - ", " ~ ")):
            print(f"  {line}", end="", file=sys.stderr, flush=True)
    return process.wait() == 0


def usable(venv: Path) -> bool:
    """Whether an older, completed .venv can be brought up to date in place."""
    python = venv / "bin" / "python"
    return (venv / "surge.stamp").is_file() and os.access(python, os.X_OK)


def fresh(venv: Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    say(f"making .venv with Python {sys.version.split()[0]}")
    if not run([sys.executable, "-I", "-m", "venv", str(venv)]):
        raise SetupError(
            f"{sys.executable} could not make a virtual environment (Debian: apt-get install "
            "python3-venv; or name another Python: SURGE_PYTHON=/path/to/python3)"
        )


def fetch_uv(venv: Path, lock: str) -> bool:
    """Have the uv that the lock pins. False when this machine has none that runs."""
    uv = venv / "bin" / "uv"
    if not uv.exists():
        stanza = venv / "uv.lock.txt"
        stanza.write_text(pinned(lock, "uv"))
        pip = [str(venv / "bin" / "python"), "-I", "-m", "pip", "install", "--quiet"]
        if not run([*pip, "--no-deps", "--require-hashes", "-r", str(stanza)]):
            return False
    try:
        return subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install(root: Path, venv: Path) -> None:
    """Every package of the lock, each checked against its hash."""
    lock = root / "requirements.lock"
    text = lock.read_text()
    say(f"installing {len(re.findall('^[a-z0-9]', text, re.MULTILINE))} pinned packages")
    python = str(venv / "bin" / "python")
    uv = [str(venv / "bin" / "uv"), "pip", "sync", "--require-hashes", "--python", python]
    if fetch_uv(venv, text) and run([*uv, str(lock)]):
        return
    say("uv can't install here; using pip instead, which takes about a minute longer")
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
    if not run(pip):
        raise SetupError(
            "the packages could not be installed (see above): is the package index that pip is "
            "configured for reachable? Then run the command again"
        )


def publish(root: Path, venv: Path) -> None:
    """Put the checkout on the path of .venv and `surge` in its bin, then say so by the stamp.

    A .pth file rather than an editable install: it needs no build backend, and starts faster.
    """
    for packages in (venv / "lib").glob("python3*/site-packages"):
        (packages / "surge-checkout.pth").write_text(f"{root}\n")
    command = venv / "bin" / "surge"
    command.unlink(missing_ok=True)
    command.symlink_to(root / "surge")
    draft = venv / "surge.stamp.draft"
    shutil.copyfile(root / "requirements.lock", draft)
    draft.replace(venv / "surge.stamp")


def make(root: Path) -> None:
    """Bring .venv to what requirements.lock says; does nothing when it is there already."""
    venv = root / ".venv"
    with alone(root):
        if ready(root):
            return
        started = time.monotonic()
        if usable(venv):
            say("requirements.lock has changed; bringing .venv up to date")
            (venv / "surge.stamp").unlink()
        else:
            fresh(venv)
        install(root, venv)
        publish(root, venv)
        say(f"set up in {time.monotonic() - started:.0f} s; the next start needs none of this")


def main(arguments: list[str]) -> int:
    try:
        make(Path(arguments[0]))
    except SetupError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("set-up interrupted; the next start begins it again")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
