"""`surge knee`: the highest arrival rate that meets the objectives, by the model."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare
from harness.walk_options import add_executor_option, add_walk_options


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "knee",
        "find the highest arrival rate that meets the objectives, with an interval",
        "surge knee prakerja-2020 --window 0m..2m --model model.json --deployment national",
        about="Each seed is bisected on its own luck: only the number of people changes. Exit 0 "
        "when the scenario's own demand lies below the knee, 1 above, 3 within its interval.",
    )
    add_walk_options(parser)
    parser.set_defaults(trace=None)
    add = parser.add_argument
    add("--model", metavar="FILE", type=Path,
        help="the model.json that surge demo, verify or calibrate wrote")  # fmt: skip
    add("--deployment", metavar="NAME|FILE", default="this-machine",
        help="what answers: national, this-machine or a TOML file (this-machine)")  # fmt: skip
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="pairs",
        help="a setting of the deployment, such as registry_slots=13; repeatable")  # fmt: skip
    add("--engine", choices=("compiled", "simpy"), default="compiled",
        help="simpy is the readable reference, and slow (compiled)")  # fmt: skip
    add("--replications", metavar="N", default="6",
        help="seeds that are bisected; below 6 there is no 95 %% interval (6)")  # fmt: skip
    add("--horizon", metavar="SPAN", help="when the record ends (24 h after the last arrival)")
    add_executor_option(parser)
    add("--json", action="store_true", help="one JSON object on stdout (surge/knee/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 the demand is met, 1 it is not, 3 it lies within the interval."""
    from harness.knee_tables import exit_code_of, knee_json, knee_with_progress, show_knee
    from harness.projecting import read_question
    from harness.run_directory import print_json

    asked = read_question(arguments)
    found = knee_with_progress(asked.question, arguments.executor)
    show_knee(asked, found)
    if arguments.json:
        print_json(knee_json(asked, found))
    return exit_code_of(found)
