"""One process of the system: started, watched, stopped, and named when it dies."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from harness.child import Child, last_lines, start, stop_all
from harness.errors import BadInput, RunInvalid
from harness.ports import claim

SERVER = """
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
{before}
http.server.HTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


class Starter(Protocol):
    """Starts a program given as text, as a module with the name `program`."""

    def __call__(self, program: str, module: str = "program", port: int = 1) -> Child: ...


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    children: list[Child] = []

    def begin(program: str, module: str = "program", port: int = 1) -> Child:
        (tmp_path / "program.py").write_text(program)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        child = start(
            "program",
            module,
            f"http://127.0.0.1:{port}/",
            environment=environment,
            cores=(min(os.sched_getaffinity(0)),),
            logs=tmp_path,
        )
        children.append(child)
        return child

    yield begin
    stop_all(children)


def test_it_is_ready_when_it_answers_and_runs_where_it_was_put(starter: Starter) -> None:
    """Pinned to its core, and in a session of its own, out of reach of our terminal's Ctrl-C."""
    port = claim(0, "program")
    child = starter(SERVER.format(before="", port=port), port=port)
    child.await_ready()
    child.check()
    assert os.sched_getaffinity(child.pid) == {min(os.sched_getaffinity(0))}
    assert os.getsid(child.pid) == child.pid


def test_one_that_does_not_listen_to_sigterm_goes_with_its_children(starter: Starter) -> None:
    """By force, once its time is up."""
    port = claim(0, "program")
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    child = starter(SERVER.format(before=deaf, port=port), port=port)
    child.await_ready()
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children()]
    child.stop(time.monotonic() + 0.1)
    assert len(family) == 2
    assert psutil.wait_procs(family, timeout=2)[1] == []


def test_one_that_dies_is_named_with_its_last_words(starter: Starter) -> None:
    """While we wait for it to be ready."""
    child = starter("import sys\nprint('out of paper')\nsys.exit(7)")
    with pytest.raises(RunInvalid, match=r"program ended with exit 7:\n  out of paper"):
        child.await_ready()


def test_exit_2_is_bad_input(starter: Starter) -> None:
    """A process ends so when it can't use a setting; then so do we."""
    child = starter("import sys\nprint('LANES=0: give 1 or more')\nsys.exit(2)")
    with pytest.raises(BadInput, match=r"program ended with exit 2:\n  LANES=0"):
        child.await_ready()


def test_the_signal_that_ended_it_is_named(starter: Starter) -> None:
    """Killed by somebody: SIGKILL, with the end of its log."""
    child = starter("import time; time.sleep(60)")
    child.process.send_signal(signal.SIGKILL)
    child.process.wait()
    with pytest.raises(RunInvalid, match="program was ended by SIGKILL"):
        child.check()


def test_a_missing_module_is_named(starter: Starter) -> None:
    """As Python says it."""
    child = starter("", module="no_such_room")
    with pytest.raises(RunInvalid, match="No module named no_such_room"):
        child.await_ready()


def test_only_the_end_of_a_long_log_is_shown(tmp_path: Path) -> None:
    """Twelve lines, indented; an empty log says so."""
    log = tmp_path / "long.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert last_lines(log).splitlines()[0] == "  line 88"
    log.write_text("")
    assert last_lines(log) == "  (its log is empty)"
