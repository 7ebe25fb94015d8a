"""`surge demo`: the whole loop on this machine, in a few minutes."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare

#: How often the whole nation is projected: what two cores have time for.
REPLICATIONS = 4


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "demo",
        "the whole loop on this machine in a few minutes: measure, learn, predict, check, project",
        "surge demo",
        about="Starts the reference system, drives it at low levels, learns a model, predicts a "
        "level that the model has not seen and measures it, projects the whole nation (3.73 "
        "million people, 65 hours) and how far it is from its cliff, and writes report.html. "
        "Exit 0 when all of it ran, whatever the verdicts are.",
    )
    add = parser.add_argument
    add("--run-dir", metavar="DIR", type=Path, help="where the record goes (runs/demo-TIME)")
    add("--json", action="store_true", help="one JSON object on stdout (surge/demo/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 when everything ran, 3 when a run was invalid."""
    from harness.demonstration import demo_json, demonstrate
    from harness.run_directory import fresh_run_dir, print_json

    directory = fresh_run_dir(arguments.run_dir, "demo")
    shown = demonstrate(directory, REPLICATIONS)
    if arguments.json:
        print_json(demo_json(shown))
    return 0
