"""`surge plan`: the cheapest deployment that meets the objectives, by the model."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare
from harness.walk_options import add_executor_option, add_walk_options


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "plan",
        "find the cheapest deployment that meets the objectives, and what breaks next",
        "surge plan prakerja-2020 --model model.json --fixed registry_slots=16",
        about="It looks for replicas, database_cores, registry_slots, registry_quota_per_s (where "
        "the deployment has one) and mail_connections. Exit 0 when the confirmation meets the "
        "objectives, 1 when one is missed, 2 when no deployment can meet them (with the bound that "
        "proves it), 3 when one stays unknown.",
    )
    add_walk_options(parser)
    add = parser.add_argument
    add("--model", metavar="FILE", type=Path,
        help="the model.json that surge demo, verify or calibrate wrote")  # fmt: skip
    add("--deployment", metavar="NAME|FILE", default="national",
        help="where the search starts, and its prices (national)")  # fmt: skip
    add("--fixed", action="append", default=[], metavar="KEY=VALUE", dest="pairs",
        help="a setting that is given and not for sale; repeatable")  # fmt: skip
    add("--confirm", metavar="N", default="20", help="full-size replications of the winner; 59 "
        "clean ones show a probability of collapse below 5 %%, 299 below 1 %% (20)")  # fmt: skip
    add("--screen", choices=("morris",), help="also screen which settings and policies matter most "
        "to the objectives, by elementary effects (no)")  # fmt: skip
    add("--max-wall", metavar="SPAN", default="10m",
        help="wall-clock time after which it stops, with what it has (10m)")  # fmt: skip
    add("--horizon", metavar="SPAN", help="when the record ends (24 h after the last arrival)")
    add("--engine", choices=("compiled", "simpy"), default="compiled",
        help="simpy is the readable reference, and slow (compiled)")  # fmt: skip
    add_executor_option(parser)
    add("--json", action="store_true", help="one JSON object on stdout (surge/plan/1)")
    parser.set_defaults(trace=None, replications="1", pairs_option="--fixed")


def run(arguments: argparse.Namespace) -> int:
    """0 objectives met, 1 one missed, 3 one unknown."""
    from harness.plan_tables import plan_json, plan_with_progress, show_plan
    from harness.projecting import judged, read_question
    from harness.run_directory import print_json
    from harness.tables import exit_code_of

    asked = read_question(arguments)
    found = plan_with_progress(asked, arguments)
    verdicts = judged(found.confirmed)
    show_plan(asked, found, verdicts, asked_to_screen=arguments.screen is not None)
    if arguments.json:
        print_json(plan_json(asked, found, verdicts))
    return exit_code_of(verdicts)
