"""`surge smoke`: the gate that CI runs on each change."""

import argparse
from pathlib import Path
from time import monotonic

from harness.verbs import Subparsers, declare

#: What smoke does not bend: it is always the same experiment.
UNBENT = {
    "reading": None, "seed": None, "window": "", "thin": "1", "speed": "1", "pauses": "1",
    "population": None, "drain": "20s", "workers": "1",
    "metrics_port": None, "master": None, "listen": None,
}  # fmt: skip


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "smoke",
        "the gate for CI: the whole journey in under a minute",
        "surge smoke --baseline runs/main --json",
        about="Errors, an invalid run and an audit that does not reconcile fail it; latency only "
        "warns. It writes junit.xml, summary.md and report.html into the run directory.",
    )
    parser.set_defaults(**UNBENT)
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", nargs="?", default="smoke", help="what is walked (smoke)")
    add("--baseline", metavar="RUN", type=Path, help="an earlier run: a regression exits 4")
    add("--target", metavar="URL", help="the service (a system that it starts itself)")
    add("--yes-i-own", metavar="TARGET", default="", help="for a target that is not this machine")
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="pairs",
        help="a setting of the system that it starts")  # fmt: skip
    add("--header", action="append", default=[], metavar="'NAME: VALUE'",
        help="of every request; ${VARIABLE} is taken from the environment; repeatable")  # fmt: skip
    add(
        "--protocol",
        metavar="FILE.py:CLASS",
        help="what speaks your own service's HTTP (or MODULE:CLASS)",
    )
    add("--mailbox", metavar="URL", default="", help="where mail is read (as /capacity says)")
    add("--run-dir", metavar="DIR", type=Path, help="where the record goes (runs/SCENARIO-TIME)")
    add("--json", action="store_true", help="one JSON object on stdout (surge/smoke/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 passed, 1 broken, 3 the run is invalid, 4 a regression, 130 interrupted."""
    from harness.campaign_plan import read_plan
    from harness.drive import drive_until_told
    from harness.gate import pass_gate, read_baseline, show_gate, smoke_json
    from harness.run_directory import print_json
    from harness.stack_settings import StackSettings, with_pairs

    began = monotonic()
    plan = read_plan(arguments)
    settings = with_pairs(StackSettings(), arguments.pairs)
    baseline = read_baseline(arguments.baseline, plan)
    result = drive_until_told(plan, settings)
    gate = pass_gate(result, baseline, own=not plan.target, began=began)
    show_gate(gate)
    if arguments.json:
        print_json(smoke_json(gate))
    return gate.exit_code
