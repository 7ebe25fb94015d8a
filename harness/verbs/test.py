"""`surge test`: the project's own tests."""

import argparse
import os
import sys

from harness import CHECKOUT
from harness.verbs import Subparsers, declare


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "test",
        "run the project's fast tests, or with --all every test",
        "surge test --all -k postgres",
        about="Arguments that it does not know go to pytest; paths count from the checkout.",
    )
    parser.add_argument("--all", action="store_true", help="the slow tests too, as CI runs them")
    parser.set_defaults(passes_on=[])


def run(arguments: argparse.Namespace) -> int:
    """Become pytest, so that its output and its exit code are ours."""
    marks = [] if arguments.all else ["-m", "not slow"]
    command = [sys.executable, "-P", "-m", "pytest", *marks, *arguments.passes_on]
    os.chdir(CHECKOUT)
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
