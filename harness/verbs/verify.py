"""`surge verify`: learn on low load, predict higher load, measure it, print the error."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "verify",
        "calibrate on low load, predict a held-out level, measure it, print the signed errors",
        "surge verify --quick",
        about="Starts the reference system, finds its saturation, learns from levels below 36 % of "
        "it, writes down what it expects at 70.5 % and where it expects the core to be 65, 80 and "
        "90 % busy (quick: only the first), and then measures that. Exit 0 when it was measured, "
        "whatever the errors are; 3 when a run was invalid.",
    )
    add = parser.add_argument
    add("--scenario", metavar="NAME|FILE", default="prakerja-2020",
        help="whose visitors walk (prakerja-2020)")  # fmt: skip
    add("--reading", metavar="NAME", help="one of the scenario's readings")
    add("--quick", action="store_true", help="levels of 16 s: about 4 minutes")
    add("--levels", metavar="A,B,…", help="low levels, visitors a second (shares of saturation)")
    add("--held-out", metavar="C,D,…", help="levels to predict, at least twice the highest of them")
    add("--deployments", metavar="A,B,…",
        help="changed ones to predict and measure too: all, two-workers, pool-halved, "
        "slots-halved, registry-slow, batching-off, inline, other-mix")  # fmt: skip
    add("--level", metavar="SPAN", help="how long a level lasts (1m; quick: 16s)")
    add("--run-dir", metavar="DIR", type=Path, help="where the record goes (runs/verify-TIME)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="pairs",
        help="a setting of the system, as in surge serve")  # fmt: skip
    add("--ablate", metavar="DIR", type=Path,
        help="measure nothing: predict that record again without each element")  # fmt: skip
    add("--history", action="store_true", help="measure nothing: show what every check came to")
    add("--json", action="store_true",
        help="one JSON object on stdout (surge/agreement/1; with --ablate surge/ablation/1, with "
        "--history surge/checks/1)")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """0 measured, 3 invalid."""
    if arguments.ablate is not None:
        return _ablate(arguments.ablate, as_json=arguments.json)
    if arguments.history:
        return _history(as_json=arguments.json)
    from harness.agreement_tables import show_agreement
    from harness.experiment import own_settings, verify
    from harness.experiment_design import read_design
    from harness.run_directory import fresh_run_dir, print_json
    from harness.tables import say
    from harness.verify_history import remember
    from workload.scenario import load_scenario

    scenario = load_scenario(arguments.scenario, arguments.reading)
    directory = fresh_run_dir(arguments.run_dir, "verify")
    design = read_design(arguments)
    found = verify(scenario, directory, design, say, own_settings(arguments.pairs))
    show_agreement(found.agreement)
    kept = remember(found.agreement)
    say("", f"record: {directory}" + (f"; history: {kept}" if kept else ""))
    if arguments.json:
        print_json(found.agreement.to_json())
    return 0


def _ablate(record: Path, *, as_json: bool) -> int:
    """0: what each element of the model buys was printed."""
    from harness.ablation import ablate, ablation_json, read_record
    from harness.ablation_tables import show_ablation
    from harness.run_directory import print_json
    from harness.tables import say

    found = ablate(read_record(record), say)
    for offered_per_s, every in found:
        show_ablation(offered_per_s, every)
    if as_json:
        print_json(ablation_json(record, found))
    return 0


def _history(*, as_json: bool) -> int:
    from harness.run_directory import print_json
    from harness.verify_history import checks_json, read_history_file, show_history

    lines = read_history_file()
    show_history(lines)
    if as_json:
        print_json(checks_json(lines))
    return 0
