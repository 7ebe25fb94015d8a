"""`surge audit`: reconcile what clients were told with what the server counted and holds."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "audit",
        "reconcile a run: acknowledged writes, server counters and rows",
        "surge audit runs/smoke-20260411-190000",
        about="Every acknowledged write is exactly one row, and client counts = server counters = "
        "rows; timeouts that did commit are listed. Exit 1 when it does not reconcile.",
    )
    add = parser.add_argument
    add("run", metavar="RUN", type=Path, help="a run directory of surge load, with its ledger")
    add("--json", action="store_true", help="one JSON object on stdout (surge/audit/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 it reconciles, 1 it does not, 3 there is no ledger to audit against."""
    from harness.audit import audit, read_evidence
    from harness.audit_tables import audit_json, show_audit
    from harness.run_directory import print_json

    found = audit(read_evidence(arguments.run))
    show_audit(arguments.run, found)
    if arguments.json:
        print_json(audit_json(arguments.run, found))
    return 0 if found.ok else 1
