"""`surge calibrate`: measured runs → what one attempt of each step costs at each station."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.verbs import Subparsers, declare

if TYPE_CHECKING:
    from simulation.service import ServiceModel


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "calibrate",
        "learn a service model from measured runs",
        "surge calibrate runs/smoke-* -o model.json",
        about="By counting: CPU seconds, flushes, rows, mails. Nothing is fitted to a latency. "
        "Give runs at several levels of load.",
    )
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="+", type=Path, help="a run directory of surge load")
    add("-o", "--out", metavar="FILE", type=Path,
        help="where the model goes (model.json; nowhere with --json alone)")  # fmt: skip
    add("--self-check", action="store_true",
        help="exit 3 where the model works otherwise than its runs did")  # fmt: skip
    add("--json", action="store_true", help="the model on stdout (surge/model/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 when there is a model; 3 when its self-check was asked for and failed."""
    from harness.model_tables import model_json, show_model
    from harness.run_directory import print_json
    from simulation.calibrate import calibrate

    out = arguments.out or (None if arguments.json else Path("model.json"))
    if out:
        check_place(out)
    model = calibrate(arguments.runs)
    if out:
        model.write(out)
    show_model(model, out)
    if arguments.json:
        print_json(model_json(model))
    return self_checked(arguments.runs, model) if arguments.self_check else 0


def self_checked(runs: list[Path], model: "ServiceModel") -> int:
    """0 when the model may predict; 3, and why on stderr, when it may not."""
    from harness.self_checking import self_check
    from harness.tables import say

    refused = self_check(runs, model)
    if refused:
        say("", "This model must not predict:", *(f"  {line}" for line in refused))
    return 3 if refused else 0


def check_place(out: Path) -> None:
    """Before the work: a model that can't be written is a wasted minute."""
    from workload.errors import Fault, InputError

    if out.is_dir() or not out.parent.is_dir():
        remedy = "give a file in a directory that is there"
        raise InputError("options", [Fault("--out", str(out), remedy)])
