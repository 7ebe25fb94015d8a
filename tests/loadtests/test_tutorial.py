"""The tutorial your-own-service.md: files and commands, as they stand there, do what it says."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import CHECKOUT
from tests.loadtests.drive import on_schedule

PAGE = CHECKOUT / "docs" / "tutorials" / "your-own-service.md"
FILE = re.compile(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = "8100"


def test_the_page_is_as_short_as_it_promises() -> None:
    """A service of some forty lines, a protocol of about thirty."""
    files = dict(FILE.findall(PAGE.read_text()))
    assert set(files) == {"kiosk.py", "kiosk.toml", "kiosk_protocol.py"}
    lines = {name: sum(1 for line in text.splitlines() if line) for name, text in files.items()}
    assert lines["kiosk.py"] <= 50
    assert lines["kiosk_protocol.py"] <= 30


def test_every_link_of_the_page_leads_somewhere() -> None:
    """Within the checkout."""
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text())
    assert len(links) >= 4
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []


@pytest.mark.slow
def test_what_the_page_says_is_what_happens(tmp_path: Path) -> None:
    """In an empty folder, every file and every command in turn; only the port is a free one."""
    page = PAGE.read_text()
    script = "".join(SHELL.findall(page))
    assert PORT in script

    def follow(folder: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
        for name, text in FILE.findall(page):
            (folder / name).write_text(text)
        (folder / "bin").mkdir()
        (folder / "bin" / "surge").symlink_to(CHECKOUT / "surge")
        return folder, run(script.replace(PORT, free_port()), folder)

    folder, answer = on_schedule(tmp_path, follow)
    promised = [line for text in OUTPUT.findall(page) for line in text.splitlines()]
    told = [line for line in answer.stdout.splitlines() if line.startswith("exit code")]
    assert told == promised == ["exit code 0", "exit code 1"], answer.stderr
    verdicts = [json.loads((folder / f"runs/{name}/summary.json").read_text()) for name in RUNS]
    quick, slow = (found["steps"]["hold_seat"]["p95_s"] for found in verdicts)
    assert quick < 0.25
    assert slow is None or slow > 0.25
    assert (folder / "runs" / "slow" / "report.html").is_file()


RUNS = ("quick", "slow")


def run(script: str, where: Path) -> subprocess.CompletedProcess[str]:
    """A shell script, with nothing of it left running."""
    environment = {**os.environ, "PATH": f"{where / 'bin'}:{os.environ['PATH']}", "NO_COLOR": "1"}
    process = subprocess.Popen(
        ["sh"], cwd=where, env=environment, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = process.communicate(script, timeout=180)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(["sh"], process.returncode, output, errors)


def free_port() -> str:
    """Where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
