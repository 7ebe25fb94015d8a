"""`surge report`: one offline HTML file about runs, their model, its errors and its projection."""

import argparse
import json
import sys
from pathlib import Path

from harness.verbs import Subparsers, declare

SCHEMA_NAME = "surge/report/1"


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "report",
        "write one offline report.html about runs and what was projected from them",
        "surge report runs/demo -o report.html",
        about="RUN is a run directory, a folder of run directories, or one of the files "
        "model.json, agreement.json, projection.json, plan.json, which are also found beside the "
        "runs. Exit 0 once the report is written, whatever it says.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="what it is about")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help="where to write it (default: report.html in RUN, or here when several are given)",
    )  # fmt: skip
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png",
        help="also photograph the top of it, with the Chromium of this machine",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on stdout (surge/report/1)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the report; 0."""
    from harness.report.dossier import read_dossier
    from harness.report.page import write_page
    from harness.report.picture import take_picture
    from harness.report.verdict import banner

    paths: list[Path] = arguments.runs
    dossier = read_dossier(paths)
    written = write_page(dossier, arguments.output or default_output(paths))
    said = banner(dossier)
    print(f"{said.stamp}: {said.sentence}\nreport: {written}", file=sys.stderr)
    if arguments.picture:
        print(f"picture: {take_picture(written, arguments.picture)}", file=sys.stderr)
    if arguments.json:
        answer = {
            "schema": SCHEMA_NAME,
            "report": str(written),
            "verdict": {"tone": said.tone, "stamp": said.stamp, "sentence": said.sentence},
            "runs": [{"name": run.name, "status": run.status} for run in dossier.runs],
            "missing": list(dossier.missing),
        }
        print(json.dumps(answer))
    return 0


def default_output(paths: list[Path]) -> Path:
    """In the one directory that was given, else in the working directory."""
    only = paths[0] if len(paths) == 1 and paths[0].is_dir() else Path()
    return only / "report.html"
