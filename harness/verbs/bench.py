"""`surge bench`: side-by-side measurements, peers and ours in one run."""

import argparse
from typing import Any

from harness.verbs import Subparsers, declare

SCHEMA_NAME = "surge/benchmark/1"
#: In the order in which all of them run; each is a file of benchmarks/.
NAMES = {
    "engine": "SimPy and the compiled engine on the same visitors",
    "nation": "3.73 million people in 65 hours, in one process",
    "client": "our HTTP client beside FastHttpUser and HttpUser",
    "pump": "the whole load generator, and how late it is",
    "freeze": "a server that stands still: what Locust reports, and what is true",
    "signup": "the reference service and its database, for each sign-up",
    "instruments": "what measuring costs the reference service",
    "queue": "M/M/8 at 90 % load, beside SimPy, Ciw, cimba and theory",
}


def add(subparsers: Subparsers) -> None:
    listed = "\n".join(f"  {name:<12}{what}" for name, what in NAMES.items())
    parser = declare(
        subparsers,
        "bench",
        "a side-by-side measurement: peers and ours in one run, with the ratio",
        "surge bench engine --json",
        about=f"Leave the machine alone meanwhile.\n\n{listed}",
    )
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", choices=tuple(NAMES),
        help=f"one of {', '.join(NAMES)} (all of them, one after the other)")  # fmt: skip
    add("--size", metavar="S", default="1",
        help="share of the full size; a small one only shows that it works (1)")  # fmt: skip
    add("--json", action="store_true", help=f"one JSON object on stdout ({SCHEMA_NAME}); of NAME")


def run(arguments: argparse.Namespace) -> int:
    """0 when everything was measured; 3 when a benchmark could not run."""
    from harness.run_directory import print_json
    from harness.walk import Options

    options = Options(arguments)
    size = options.number("size", 0, 10)
    if arguments.json and arguments.name is None:
        options.fault("json", "all", f"one object tells of one: name one of {', '.join(NAMES)}")
    options.done()
    for name in [arguments.name] if arguments.name else NAMES:
        found = measured(name, size)
        show_figures(found)
        if arguments.json:
            print_json(found)
    return 0


def measured(name: str, size: float) -> dict[str, Any]:
    """`surge/benchmark/1`: a benchmark in a process of its own. Raises RunInvalid when it fails.

    Its own, because the peak of its memory is a figure, and Locust changes the process it is in.
    """
    import json
    import os
    import subprocess
    import sys

    from harness import CHECKOUT
    from harness.errors import RunInvalid
    from harness.tether import tethered
    from workload.manifest import these_versions, this_commit, this_machine

    module = [sys.executable, "-P", "-m", f"benchmarks.{name}", f"{size:g}"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    answer = subprocess.run(
        tethered(module),
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise RunInvalid(f"{name} ended with {answer.returncode}; what it said stands above")
    return {
        "schema": SCHEMA_NAME,
        "name": name,
        "size": size,
        "figures": json.loads(answer.stdout),
        "machine": {**this_machine(), "commit": this_commit(), "versions": these_versions()},
    }


def show_figures(found: dict[str, Any]) -> None:
    """A table for people."""
    from harness.tables import Column, show

    rows = [[name, told(value)] for name, value in found["figures"].items()]
    machine = found["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, commit {machine['commit'] or '–'}"
    columns = [Column("figure", figure=False), Column("value")]
    show(found["name"], columns, rows, f"{NAMES[found['name']]}; {where}")


def told(value: Any) -> str:
    """A figure as people read it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)
