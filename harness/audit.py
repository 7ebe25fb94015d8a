"""The audit: what clients were told, what the server counted and what its ledger holds are one.

Every acknowledged write is exactly one row; every row has a client that asked for it; what timed
out and was committed all the same is listed, not hidden. All of it is a pure function of a run
directory's record.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.audit_calls import STEP as CALL
from harness.audit_calls import calls_of, read_calls, wrong_calls
from harness.audit_counts import Count, answer_counts
from harness.audit_draw import draw_counts
from workload.attack import by_what_was_done
from workload.errors import Fault, InvalidRunError, RecordError
from workload.facts import FOR_EVER_S
from workload.history import History, outcome_name, read_history
from workload.manifest import Manifest, read_manifest
from workload.population import Population
from workload.scenario import load_scenario
from workload.telemetry import FILE_NAME, Telemetry, read_telemetry
from workload.visit import Ending, Outcome

SCHEMA_NAME = "surge/audit/1"
LEDGER = "ledger.ndjson"
CALLS = "support-calls.ndjson"
#: Column of the ledger that an acknowledged step fills; register is the row itself.
COLUMNS = {
    "verify_email": "email_verified_at",
    "submit_identity": "identity_submitted_at",
    "upload_photo": "photo_accepted_at",
    "join_wave": "joined",
}
#: What every row has.
IDENTIFYING = ("email", "request_id", "registered_at", "identity_status")
DECISIONS = {Outcome.ACCEPTED: "verified", Outcome.DECLINED: "rejected"}
ANSWERED = (Outcome.ACCEPTED, Outcome.DECLINED)
#: The service may have done its work although the client heard nothing good.
UNSURE = (Outcome.OVERLOADED, Outcome.FAULT, Outcome.READ_TIMEOUT, Outcome.RESET)
#: A row that is older than the run by more belongs to a run before it.
CLOCKS_S = 1.0
EXAMPLES = 5

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """The record of a run. ``rows``: the ledger; ``telemetry``: None where none was recorded.

    ``calls``: the list of calls for help; None where none was exported.
    """

    manifest: Manifest
    people: Population
    history: History
    rows: Sequence[Row]
    telemetry: Telemetry | None = None
    calls: Sequence[Row] | None = None


@dataclass(frozen=True)
class Finding:
    """Something that does not reconcile, and the first few it concerns."""

    kind: str
    text: str
    who: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "count": len(self.who),
            "text": self.text,
            "examples": list(self.who[:EXAMPLES]),
        }


@dataclass(frozen=True)
class Unseen:
    """A write that is in the ledger although its client heard of no success."""

    visitor: int
    step: str
    outcome: str


@dataclass(frozen=True)
class Audit:
    """What was found. ``counts``: clients, server and ledger side by side."""

    rows: int
    rows_of_run: int
    findings: tuple[Finding, ...]
    counts: tuple[Count, ...]
    unseen: tuple[Unseen, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.findings


def read_evidence(directory: Path) -> Evidence:
    """The evidence in a run directory.

    Raises RecordError for a damaged one, InvalidRunError where there is nothing to audit against.
    """
    manifest = read_manifest(directory)
    if manifest.kind != "measured":
        fault = Fault("kind", manifest.kind, "only a measured run wrote anything to audit")
        raise RecordError(str(directory), [fault])
    if not (directory / LEDGER).is_file():
        why = manifest.generator.get("ledger", "SURGE_ADMIN_TOKEN was not set")
        raise InvalidRunError(
            f"{directory}: it holds no {LEDGER} ({why}): nothing to audit against"
        )
    scenario = load_scenario(directory / "scenario.toml", manifest.reading or None)
    early, scraped = manifest.status != "complete", (directory / FILE_NAME).is_file()
    return Evidence(
        manifest,
        scenario.people,
        by_what_was_done(read_history(directory, cut_short_is_fine=early)),
        read_ledger(directory / LEDGER),
        read_telemetry(directory, cut_short_is_fine=early) if scraped else None,
        read_calls(directory / CALLS),
    )


def read_ledger(path: Path) -> list[Row]:
    """Every row; RecordError names the first line that is none."""
    rows: list[Row] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append({**row, **{name: row[name] for name in IDENTIFYING}})
            datetime.fromisoformat(row["registered_at"])
        except (ValueError, KeyError, TypeError) as error:
            found = line[:40].decode(errors="replace")
            remedy = "not a row of a ledger; was the file edited or cut short?"
            raise RecordError(str(path), [Fault(f"line {number}", found, remedy)]) from error
    return rows


class Clients:
    """What each visitor was told, by step."""

    def __init__(self, history: History) -> None:
        self.steps = history.steps
        outcome, visitor, step = history["outcome"], history["visitor"], history["step"]
        self.told: dict[str, dict[int, int]] = {}
        self.unsure: dict[str, dict[int, int]] = {}
        for number, name in enumerate(history.steps):
            here = step == number
            for kinds, into in ((ANSWERED, self.told), (UNSURE, self.unsure)):
                of = here & np.isin(outcome, kinds)
                into[name] = dict(zip(visitor[of].tolist(), outcome[of].tolist(), strict=True))
        ended = set(visitor[history["ending"] != Ending.OPEN].tolist())
        self.came = set(visitor.tolist())
        self.inside = self.came - ended


def audit(evidence: Evidence) -> Audit:
    """Reconcile clients, server and ledger."""
    clients = Clients(evidence.history)
    mine = rows_of_run(evidence, clients)
    unseen: list[Unseen] = []
    findings = [
        *_doubles(mine),
        *_strangers(evidence, mine),
        *_writes(clients, mine, unseen),
        *_decisions(clients, mine),
    ]
    counts = [*_row_counts(clients, mine)]
    if evidence.calls is not None and CALL in clients.steps:
        findings += _calls(evidence, evidence.calls, clients, unseen, counts)
    notes: list[str] = []
    answers, differences, note = answer_counts(
        evidence.history, evidence.telemetry, len(clients.inside), FOR_EVER_S
    )
    seats, wrong = draw_counts(evidence.rows, evidence.manifest.generator.get("wave"))
    findings += [Finding("counts differ", text, (who,)) for who, text in differences + wrong]
    notes += [note] if note else []
    rows = sum(len(held) for held in mine.values())
    return Audit(
        len(evidence.rows),
        rows,
        tuple(findings),
        (*counts, *seats, *answers),
        tuple(unseen),
        tuple(notes),
    )


def rows_of_run(evidence: Evidence, clients: Clients) -> dict[int, list[Row]]:
    """Rows of this run's visitors, by visitor; rows of others and of earlier runs are no matter."""
    seed, domain = evidence.manifest.seed, re.escape(evidence.people.domain)
    ours = re.compile(rf"v(\d+)\.{seed}@{domain}")
    mine: dict[int, list[Row]] = defaultdict(list)
    for row in evidence.rows:
        found = ours.fullmatch(row["email"])
        if found and (int(found[1]) in clients.came or _is_new(row, evidence.manifest)):
            mine[int(found[1])].append(row)
    return mine


def _is_new(row: Row, manifest: Manifest) -> bool:
    written = datetime.fromisoformat(row["registered_at"]).timestamp()
    return written >= manifest.began_unix - CLOCKS_S


def _doubles(mine: Mapping[int, Sequence[Row]]) -> Iterator[Finding]:
    """One e-mail address, or one request, with several rows."""
    twice = [f"visitor {visitor}" for visitor, rows in mine.items() if len(rows) > 1]
    if twice:
        yield Finding("double row", "one person has several rows", tuple(twice))
    requests = Counter(row["request_id"] for rows in mine.values() for row in rows)
    again = [f"request {request}" for request, count in requests.items() if count > 1]
    if again:
        yield Finding("double row", "one request made several rows", tuple(again))


def _strangers(evidence: Evidence, mine: Mapping[int, Sequence[Row]]) -> Iterator[Finding]:
    """Rows under an address of ours that another request made."""
    seed = evidence.manifest.seed
    wrong = [
        f"visitor {visitor}"
        for visitor, rows in mine.items()
        for expected in [evidence.people.visitor(seed, visitor).request_id]
        if any(row["request_id"] != expected for row in rows)
    ]
    if wrong:
        yield Finding("wrong row", "another request made the row", tuple(wrong))


def _writes(
    clients: Clients, mine: Mapping[int, Sequence[Row]], unseen: list[Unseen]
) -> Iterator[Finding]:
    """Acknowledged but not there; there but asked for by nobody.

    `unseen` takes what lies between: committed, and the client could not know.
    """
    for step in clients.steps:
        if step != "register" and step not in COLUMNS:
            continue
        told, written = clients.told[step], _written(step, mine)
        lost = [f"visitor {visitor}" for visitor in sorted(told.keys() - written)]
        if lost:
            yield Finding("lost write", f"{step} was acknowledged, but is not there", tuple(lost))
        stray = []
        for visitor in sorted(written - told.keys()):
            if visitor in clients.unsure[step]:
                outcome = outcome_name(clients.unsure[step][visitor])
                unseen.append(Unseen(visitor, step, outcome))
            elif visitor in clients.inside:
                unseen.append(Unseen(visitor, step, "in flight when the run ended"))
            else:
                stray.append(f"visitor {visitor}")
        if stray:
            yield Finding("stray write", f"{step} is there, but nobody asked for it", tuple(stray))


def _calls(
    evidence: Evidence,
    listed: Sequence[Row],
    clients: Clients,
    unseen: list[Unseen],
    counts: list[Count],
) -> Iterator[Finding]:
    """Calls for help, which have a list of their own."""
    who = sorted(clients.came)
    rows = calls_of(listed, evidence.people, evidence.manifest.seed, who)
    told, unsure = set(clients.told[CALL]), clients.unsure[CALL]
    counts.append(Count(CALL, "people", len(told), None, len(rows)))
    unheard = sorted((rows.keys() & unsure.keys()) - told)
    unseen += [Unseen(visitor, CALL, outcome_name(unsure[visitor])) for visitor in unheard]
    for wrong in wrong_calls(rows, told, unsure.keys() | clients.inside):
        yield Finding(*wrong)


def _written(step: str, mine: Mapping[int, Sequence[Row]]) -> set[int]:
    if step == "register":
        return {visitor for visitor, rows in mine.items() if rows}
    column = COLUMNS[step]
    return {
        visitor
        for visitor, rows in mine.items()
        if any(row.get(column) not in (None, False) for row in rows)
    }


def _decisions(clients: Clients, mine: Mapping[int, Sequence[Row]]) -> Iterator[Finding]:
    """A visitor was told verified or rejected; the row must say the same."""
    told = clients.told.get("await_identity", {})
    wrong = [
        f"visitor {visitor}"
        for visitor, outcome in sorted(told.items())
        if {row["identity_status"] for row in mine.get(visitor, ())}
        != {DECISIONS[Outcome(outcome)]}
    ]
    if wrong:
        yield Finding(
            "wrong decision", "the row says otherwise than the client was told", tuple(wrong)
        )


def _row_counts(clients: Clients, mine: Mapping[int, Sequence[Row]]) -> Iterator[Count]:
    """People who were told that it is done, beside rows that say so."""
    for step in clients.steps:
        if step == "register" or step in COLUMNS:
            rows = len(_written(step, mine))
            yield Count(step, "people", len(clients.told[step]), None, rows)
