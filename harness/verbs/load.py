"""`surge load`: drive a scenario against a target, and leave a run directory."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare
from harness.walk_options import add_walk_options

SCHEMA_NAME = "surge/load/1"


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "load",
        "drive a scenario against a target in real time, and leave a run directory",
        "surge load prakerja-2020 --window 0m..2m --thin 0.02 --set pool=4",
        about="Without --target it starts the reference system and stops it at the end. The run "
        "directory ends with a report.html. "
        "Several machines: --master on the first, --join alone on the others.",
    )
    add_walk_options(parser, scenario="?")
    add = parser.add_argument
    add("--target", metavar="URL", help="the service (a system that it starts itself)")
    add("--yes-i-own", metavar="TARGET", default="",
        help="repeat the target where it is not this machine: load only what you own")  # fmt: skip
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="pairs",
        help="a setting of the system that it starts; an unknown NAME lists them all")  # fmt: skip
    add("--drain", metavar="SPAN", default="60s",
        help="how long visits may go on after the last arrival (60s)")  # fmt: skip
    add("--workers", metavar="N", default="1", help="processes that generate load (1)")
    add("--header", action="append", default=[], metavar="'NAME: VALUE'",
        help="of every request; ${VARIABLE} is taken from the environment; repeatable")  # fmt: skip
    add(
        "--protocol",
        metavar="FILE.py:CLASS",
        help="what speaks your own service's HTTP (or MODULE:CLASS)",
    )
    add("--mailbox", metavar="URL", default="", help="where mail is read (as /capacity says)")
    add("--metrics-port", metavar="N", help="a page for Prometheus on 127.0.0.1 during the run")
    add("--master", metavar="N", help="begin when so many have joined from other machines")
    add("--listen", metavar="HOST:PORT",
        help="where they join (this machine's address towards the target, port 5557)")  # fmt: skip
    add("--join", metavar="HOST:PORT", help="generate load for a master until its run ends")
    add("--run-dir", metavar="DIR", type=Path, help="where the record goes (runs/SCENARIO-TIME)")
    add("--json", action="store_true", help=f"one JSON object on stdout ({SCHEMA_NAME})")
    parser.set_defaults(usual=vars(parser.parse_args([])))


def run(arguments: argparse.Namespace) -> int:
    """0 objectives met, 1 one missed, 3 run invalid or an objective unknown, 130 interrupted.

    With --join 0 when the run is over, whatever it came to.
    """
    from harness.campaign_plan import read_plan
    from harness.drive import drive_until_told
    from harness.outcome import load_json, show_report, show_result
    from harness.run_directory import print_json
    from harness.several_machines import join
    from harness.stack_settings import StackSettings, with_pairs

    if arguments.join is not None:
        return join(arguments)
    plan = read_plan(arguments)
    result = drive_until_told(plan, with_pairs(StackSettings(), arguments.pairs))
    show_result(result)
    show_report(result.run_dir)
    if arguments.json:
        print_json(load_json(result))
    return result.exit_code
