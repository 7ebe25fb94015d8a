"""`surge calibrate`: measured runs → what one attempt of each step costs at each station."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare


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
    add("--json", action="store_true", help="the model on stdout (surge/model/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 when there is a model; how good it is stands beside it."""
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
    return 0


def check_place(out: Path) -> None:
    """Before the work: a model that can't be written is a wasted minute."""
    from workload.errors import Fault, InputError

    if out.is_dir() or not out.parent.is_dir():
        remedy = "give a file in a directory that is there"
        raise InputError("options", [Fault("--out", str(out), remedy)])
