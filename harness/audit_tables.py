"""An audit: for people as tables, for programs as `surge/audit/1`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.audit import SCHEMA_NAME, Audit
from harness.tables import Column, count, say, show

#: More timeouts that committed than this are counted, not listed.
LISTED = 20


def audit_json(directory: Path, found: Audit) -> dict[str, Any]:
    """`surge/audit/1`."""
    return {
        "schema": SCHEMA_NAME,
        "run": str(directory),
        "ok": found.ok,
        "rows": found.rows,
        "rows_of_run": found.rows_of_run,
        "findings": [finding.to_json() for finding in found.findings],
        "counts": [asdict(one) for one in found.counts],
        "committed_unseen": [asdict(one) for one in found.unseen],
        "notes": list(found.notes),
    }


def show_audit(directory: Path, found: Audit) -> None:
    """Counts, timeouts that did commit, what does not reconcile; last the verdict."""
    columns = [Column("step", figure=False), Column("counted", figure=False), Column("clients"),
               Column("server"), Column("ledger")]  # fmt: skip
    rows = (
        [one.step, one.kind, count(one.client), count(one.server), count(one.rows)]
        for one in found.counts
    )
    show("What clients, server and ledger counted", columns, rows)
    if found.unseen:
        show_unseen(found)
    for note in found.notes:
        say("", note)
    for finding in found.findings:
        listed = finding.to_json()
        more = ", …" if len(finding.who) > len(listed["examples"]) else ""
        who = ", ".join(listed["examples"])
        say(f"{finding.kind}: {finding.text} ({count(len(finding.who))}: {who}{more})")
    verdict = "reconciles" if found.ok else "DOES NOT RECONCILE"
    say("", f"{directory} {verdict}: {count(found.rows_of_run)} rows of this run in a ledger of "
        f"{count(found.rows)}")  # fmt: skip


def show_unseen(found: Audit) -> None:
    """Not a fault: the client did not hear, and a retry was accepted or given up."""
    columns = [
        Column("visitor"),
        Column("step", figure=False),
        Column("what it heard", figure=False),
    ]
    rows = ([str(one.visitor), one.step, one.outcome] for one in found.unseen[:LISTED])
    more = len(found.unseen) - LISTED
    caption = f"and {count(more)} more" if more > 0 else ""
    show("Committed, although the client heard of no success", columns, rows, caption)
