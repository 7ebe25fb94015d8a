"""`surge cliff`: where the wave stops being served, over one or two settings."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare
from harness.walk_options import add_executor_option, add_walk_options


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "cliff",
        "map the probability of collapse over one or two settings, and how far its edge is",
        "surge cliff retry-storm --model m.json --over registry_slots=1..6 --and attempts=1..4",
        about="A setting is one of the deployment, of everybody's patience (attempts, timeout_s, "
        "backoff_s, backoff_cap_s, jitter) or `demand`, a factor. Exit 0 when the scenario's own "
        "settings are on the safe side of every edge, or nothing on the map collapses; 1 when they "
        "are beyond one, or what collapses does so without an edge; 3 when runs of one point come "
        "out both ways and no row holds an edge.",
    )
    add_walk_options(parser)
    add = parser.add_argument
    add("--over", metavar="NAME=VALUES", required=True,
        help="10..16, 10..40:5 (steps of 5) or 1,2,4")  # fmt: skip
    add("--and", metavar="NAME=VALUES", dest="beside", help="a second setting")
    add("--model", metavar="FILE", type=Path,
        help="the model.json that surge demo, verify or calibrate wrote")  # fmt: skip
    add("--deployment", metavar="NAME|FILE", default="national",
        help="what answers: national, this-machine or a TOML file (national)")  # fmt: skip
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="pairs",
        help="a setting of the deployment, such as identity_check=inline; repeatable")  # fmt: skip
    add("--replications", metavar="N", default="10", help="at each point, on the same luck (10)")
    add("--horizon", metavar="SPAN", help="when the record ends (24 h after the last arrival)")
    add("--max-wall", metavar="SPAN", default="10m", help="wall-clock time that it may take (10m)")
    add("-o", "--output", metavar="FILE", type=Path, help="the map as a picture: .svg or .png")
    add_executor_option(parser)
    add("--json", action="store_true", help="one JSON object on stdout (surge/cliff/1)")
    parser.set_defaults(trace=None, engine="compiled")


def run(arguments: argparse.Namespace) -> int:
    """0 on the safe side of the edge, 1 beyond it, 3 where the map holds none."""
    from harness.cliff_tables import cliff_json, cliff_with_progress, exit_code_of, show_cliff
    from harness.projecting import read_question
    from harness.run_directory import print_json

    asked = read_question(arguments)
    found = cliff_with_progress(asked, arguments)
    show_cliff(asked, found)
    if arguments.output:
        from harness.cliff_picture import draw_cliff

        draw_cliff(asked, found, arguments.output)
    if arguments.json:
        print_json(cliff_json(asked, found))
    return exit_code_of(found)
