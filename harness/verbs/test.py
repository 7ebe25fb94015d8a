"""`surge test`: the project's own tests, in two parts.

First what only computes, on every core side by side; then what starts processes or measures time,
one test after the other, so that nothing of ours takes its cores. tests/parts.py says which file is
in which part.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from harness import CHECKOUT
from harness.tether import tethered
from harness.verbs import Subparsers, declare

ABOUT = (
    "Arguments that it does not know go to pytest, which then runs one test after the other; paths "
    "count from the checkout. The exit code is pytest's own."
)


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "test",
        "run the project's fast tests, or with --all every test",
        "surge test --all -k postgres",
        about=ABOUT,
    )
    parser.add_argument("--all", action="store_true", help="the slow tests too, as CI runs them")
    parser.add_argument(
        "--deselect", action="append", default=[], metavar="TEST", help="leave a test or a file out"
    )
    parser.set_defaults(passes_on=[])


def run(arguments: argparse.Namespace) -> int:
    """pytest's output as it stands, and its exit code."""
    marks = [] if arguments.all else ["-m", "not slow"]
    command = [sys.executable, "-P", "-m", "pytest", *marks]
    command += [f"--deselect={name}" for name in arguments.deselect]
    os.chdir(CHECKOUT)
    if arguments.passes_on:
        command += arguments.passes_on
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
    return follow_all(in_parts(command, len(os.sched_getaffinity(0))))


def in_parts(command: Sequence[str], cores: int) -> dict[str, list[str]]:
    """What people read -> a run of pytest, in this order."""
    beside = ["-n", str(cores), "--dist", "worksteal"] if cores > 1 else []
    return {
        f"what only computes, on {cores} cores": [*command, "--part", "computing", *beside],
        "what starts processes or measures time, one by one": [*command, "--part", "alone"],
    }


def follow_all(parts: Mapping[str, Sequence[str]]) -> int:
    """Each part, also when an earlier one has failed; the answer is the first code that is not 0.

    At the end people read how each came out.
    """
    codes, told = [], []
    for name, command in parts.items():
        say(name)
        began = time.monotonic()
        codes.append(follow(command))
        outcome = "passed" if codes[-1] == 0 else f"FAILED (exit code {codes[-1]})"
        told.append(f"{name}: {outcome} in {time.monotonic() - began:.0f} s")
    for line in told:
        say(line)
    return next((code for code in codes if code), 0)


def follow(command: Sequence[str]) -> int:
    """The exit code of a part, which hears of Ctrl-C once, cleans up, and ends before we do."""
    process = subprocess.Popen(
        tethered(command, die_by=signal.SIGINT), stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise


def say(text: str) -> None:
    print(f"surge test: {text}", file=sys.stderr, flush=True)
