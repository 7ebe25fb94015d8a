"""`surge compare`: whether the second of two runs of one experiment is a regression."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "compare",
        "tell whether the second of two runs is a regression, with an interval",
        "surge compare runs/smoke-before runs/smoke-after",
        about="Worse is a figure whose interval lies above zero, and whose change is larger than "
        "--share and --floor. Exit 4 when there is one.",
    )
    add = parser.add_argument
    add("before", metavar="A", type=Path, help="a run directory: the baseline")
    add("after", metavar="B", type=Path, help="the same scenario, driven the same way")
    add("--share", metavar="P", default="0.10", help="a change that is small, as a share (0.10)")
    add("--floor", metavar="SPAN", default="5ms", help="a change that is small, as a time (5ms)")
    add("--json", action="store_true", help="one JSON object on stdout (surge/comparison/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 no regression, 4 a regression."""
    from harness.comparison import Tolerance, compare_runs, read_side, to_json
    from harness.comparison_tables import show_comparison
    from harness.run_directory import print_json
    from harness.walk import Options

    options = Options(arguments)
    tolerance = Tolerance(options.number("share", 0, 100), options.span("floor"))
    options.done()
    found = compare_runs(read_side(arguments.before), read_side(arguments.after), tolerance)
    show_comparison(found)
    if arguments.json:
        print_json(to_json(found))
    return 4 if found.regression else 0
