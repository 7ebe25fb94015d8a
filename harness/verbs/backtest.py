"""`surge backtest`: fit on the early snapshots of a real event, predict the later ones."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "backtest",
        "fit on the early snapshots of a real event, predict the later ones",
        "surge backtest prakerja-2020 --fit-until 21",
        about="Registered is demand, and given; the registry's rate, shares and the pause before "
        "joining are fitted, and the scenario's own drop-outs ignored. Exit 0, whatever the errors "
        "are.",
    )
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a built-in scenario or a TOML file: who comes when")
    add("--snapshots", metavar="FILE.csv", type=Path,
        help="columns hours, registered, email_verified, identity_verified, joined; blanks allowed "
        "(what the scenario's reading says was published)")  # fmt: skip
    add("--fit-until", metavar="H", required=True,
        help="the last hour that is fitted, such as 21 or 21h")  # fmt: skip
    add("--reading", metavar="NAME", help="one of the scenario's readings")
    add("--json", action="store_true", help="one JSON object on stdout (surge/backtest/1)")


def run(arguments: argparse.Namespace) -> int:
    """0: it was predicted."""
    from harness.backtest_tables import hours_from, show_backtest
    from harness.run_directory import print_json
    from simulation.backtest import backtest
    from simulation.snapshots import of_reading, read_snapshots
    from workload.scenario import load_scenario

    until_h = hours_from(arguments.fit_until)
    scenario = load_scenario(arguments.scenario, arguments.reading)
    if arguments.snapshots is None:
        snapshots, reading = of_reading(scenario), scenario.reading
    else:
        snapshots, reading = read_snapshots(arguments.snapshots), arguments.reading or ""
    found = backtest(scenario, snapshots, until_h, reading)
    show_backtest(found)
    if arguments.json:
        print_json(found.to_json())
    return 0
