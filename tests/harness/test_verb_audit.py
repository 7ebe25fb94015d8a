"""`surge audit`: a sound record reconciles, and every planted fault is found by its kind."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit import Audit, Evidence, audit
from workload.history import History, Observation
from workload.manifest import Bending, Manifest
from workload.population import Population
from workload.telemetry import Telemetry
from workload.visit import Ending, Outcome

Verb = Callable[..., Any]
SEED = 11
PEOPLE = Population({"32": 1.0})
STEPS = ("open_site", "register", "verify_email", "submit_identity", "await_identity")
STATUS = {"register": 201, "submit_identity": 202}
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def attempt(
    visitor: int, step: str, outcome: Outcome, number: int = 1, ending: int = 0
) -> Observation:
    """One attempt at a second of its own."""
    at = (visitor * 20 + STEPS.index(step) * 3 + number) * 10**9
    status = {Outcome.ACCEPTED: STATUS.get(step, 200), Outcome.DECLINED: 200}.get(outcome, 0)
    return Observation(
        visitor, STEPS.index(step), number, visitor * 20 * 10**9, at, at, at + 10**6, outcome,
        status, ending,
    )  # fmt: skip


def whole_visit(visitor: int, decision: Outcome = Outcome.ACCEPTED) -> Iterator[Observation]:
    """Every step accepted at once, and a decision."""
    for step in STEPS[:-1]:
        yield attempt(visitor, step, Outcome.ACCEPTED)
    end = Ending.FINISHED if decision is Outcome.ACCEPTED else Ending.TURNED_AWAY
    yield attempt(visitor, STEPS[-1], decision, ending=end)


def row(visitor: int, status: str | None = "verified", **changes: object) -> dict[str, Any]:
    """What the ledger holds of a visitor."""
    person = PEOPLE.visitor(SEED, visitor)
    at = AT.isoformat()
    return {
        "registration": f"r{visitor}", "request_id": person.request_id, "email": person.email,
        "registered_at": at, "email_verified_at": at, "identity_status": status,
        "identity_submitted_at": at if status else None, "identity_decided_at": at, **changes,
    }  # fmt: skip


def counters(attempts: Sequence[Observation], extra: dict[tuple[str, int], int]) -> Telemetry:
    """What a service that counted these attempts, and some more, would have published."""
    counts: dict[tuple[str, int], int] = dict(extra)
    for one in attempts:
        key = (STEPS[one.step], one.status)
        counts[key] = counts.get(key, 0) + (one.status > 0)
    instants = np.array([-(10**9), 10**12], dtype=np.int64)
    series = {
        ("service", f'surge_requests_total{{route="{step}",status="{status}"}}'): (
            instants, np.array([5.0, 5.0 + count]),
        )
        for (step, status), count in counts.items()
    }  # fmt: skip
    return Telemetry({("service", "up"): (instants, np.array([1.0, 1.0])), **series})


def evidence(
    attempts: Sequence[Observation],
    rows: Sequence[dict[str, Any]],
    extra: dict[tuple[str, int], int] | None = None,
) -> Evidence:
    """A run that began just before its rows."""
    manifest = Manifest(
        "measured", "planted", "0" * 12, SEED, Bending((0.0, 60.0)), began_unix=AT.timestamp()
    )
    history = History.of(STEPS, attempts)
    return Evidence(manifest, PEOPLE, history, rows, counters(attempts, extra or {}))


SOUND = [*whole_visit(0), *whole_visit(1), *whole_visit(2, Outcome.DECLINED)]
ROWS = [row(0), row(1), row(2, "rejected")]


def kinds(found: Audit) -> list[str]:
    return [finding.kind for finding in found.findings]


def test_a_sound_record_reconciles() -> None:
    """Clients, server and ledger count the same; somebody else's row is nobody's fault."""
    others = row(7, email="somebody@example.com")
    found = audit(evidence(SOUND, [*ROWS, others]))
    assert found.ok
    assert (found.rows, found.rows_of_run) == (4, 3)
    table = {(one.step, one.kind): (one.client, one.server, one.rows) for one in found.counts}
    assert table["register", "people"] == (3, None, 3)
    assert table["register", "answers 201"] == (3, 3, None)
    assert table["await_identity", "answers 200"] == (3, 3, None)


@pytest.mark.parametrize(
    ("rows", "kind", "who"),
    [
        (ROWS[1:], "lost write", "visitor 0"),
        ([row(0, email_verified_at=None), *ROWS[1:]], "lost write", "visitor 0"),
        ([row(0, None), *ROWS[1:]], "lost write", "visitor 0"),
        ([*ROWS, row(0, registration="r9", request_id="other")], "double row", "visitor 0"),
        ([*ROWS, row(1, registration="r9")], "double row", "request"),
        ([*ROWS, row(5)], "stray write", "visitor 5"),
        ([row(0, request_id="another's"), *ROWS[1:]], "wrong row", "visitor 0"),
        ([row(0, "rejected"), *ROWS[1:]], "wrong decision", "visitor 0"),
        ([row(0, "queued"), *ROWS[1:]], "wrong decision", "visitor 0"),
        ([*ROWS[:2], row(2, "verified")], "wrong decision", "visitor 2"),
    ],
)
def test_a_planted_fault_of_the_ledger_is_found(
    rows: list[dict[str, Any]], kind: str, who: str
) -> None:
    """A row taken away, added, emptied or changed."""
    found = audit(evidence(SOUND, rows))
    assert kind in kinds(found)
    shown = [finding.who for finding in found.findings if finding.kind == kind]
    assert any(one.startswith(who) for names in shown for one in names)


def test_a_timeout_that_did_commit_is_listed_and_is_no_fault() -> None:
    """The client gave up; the row is there; it says by which outcome it could not know."""
    visit = [
        attempt(3, "open_site", Outcome.ACCEPTED),
        attempt(3, "register", Outcome.READ_TIMEOUT, ending=Ending.GAVE_UP),
    ]
    rows = [*ROWS, row(3, None, email_verified_at=None)]
    found = audit(evidence([*SOUND, *visit], rows, {("register", 201): 1}))
    assert found.ok, found.findings
    assert [(one.visitor, one.step, one.outcome) for one in found.unseen] == [
        (3, "register", "read_timeout")
    ]


def test_a_write_that_only_a_refused_client_asked_for_is_stray() -> None:
    """A service that says no and does it all the same."""
    visit = [
        attempt(3, "open_site", Outcome.ACCEPTED),
        attempt(3, "register", Outcome.REFUSED, ending=Ending.TURNED_AWAY),
    ]
    found = audit(evidence([*SOUND, *visit], [*ROWS, row(3, None, email_verified_at=None)]))
    assert kinds(found) == ["stray write"]


def test_who_was_inside_when_the_run_ended_may_have_been_served() -> None:
    """An attempt in flight is not in the history; its row is no fault."""
    visit = [attempt(3, "open_site", Outcome.ACCEPTED)]
    rows = [*ROWS, row(3, None, email_verified_at=None)]
    found = audit(evidence([*SOUND, *visit], rows))
    assert found.ok
    assert found.unseen[0].outcome == "in flight when the run ended"


def test_rows_of_a_run_before_this_one_are_not_this_runs() -> None:
    """The same seed against the same database: only what this run could have written counts."""
    old = datetime(2025, 1, 1, tzinfo=UTC).isoformat()
    found = audit(evidence(SOUND, [*ROWS, row(9, registered_at=old)]))
    assert found.ok
    assert found.rows_of_run == 3


@pytest.mark.parametrize("more", [1, -1])
def test_a_server_that_counted_otherwise_is_found(more: int) -> None:
    """One answer too many, or too few, for what the clients got."""
    found = audit(evidence(SOUND, ROWS, {("submit_identity", 202): more}))
    assert kinds(found) == ["counts differ"]
    assert found.findings[0].who == ("submit_identity 202",)


def drawn_from(rows: list[dict[str, Any]], **told: Any) -> Audit:
    """An audit of four people who joined wave 1; its operator was told of two seats, both drawn."""
    wave = {"state": "closed", "wave": 1, "quota": 2, "joined": 4, "drawn": 2, **told}
    sound = evidence(SOUND, ROWS)
    manifest = replace(sound.manifest, generator={"wave": wave})
    others = [row(7, email="somebody@example.com", **one) for one in rows]
    return audit(replace(sound, manifest=manifest, rows=[*ROWS, *others]))


SEATED = [{"joined": "then", "joined_wave": 1, "drawn": one} for one in (1, 1, None, 2)]


def test_a_draw_reconciles_with_its_rows() -> None:
    """Whoever joined later, or got a seat of a later wave, is no matter."""
    later = {"joined": "then", "joined_wave": 2, "drawn": None}
    found = drawn_from([*SEATED, later])
    assert found.ok, found.findings
    table = {(one.step, one.kind): (one.client, one.rows) for one in found.counts}
    assert table["draw", "joined the wave"] == (4, 4)
    assert table["draw", "drawn"] == (2, 2)
    assert drawn_from(SEATED[:1], state="not reached").ok


@pytest.mark.parametrize(
    ("rows", "told", "who"),
    [
        (SEATED[:3], {}, "draw, joined the wave"),
        ([*SEATED[1:], {**SEATED[0], "drawn": None}], {}, "draw, drawn"),
        (SEATED, {"quota": 1}, "draw, seats"),
        (SEATED, {"quota": 3}, "draw, seats"),
        ([*SEATED, {**SEATED[0], "joined_wave": 2}], {}, "draw, seats"),
    ],
)
def test_a_draw_that_is_not_the_one_of_its_rows_is_found(
    rows: list[dict[str, Any]], told: dict[str, Any], who: str
) -> None:
    """Somebody who joined is gone, a seat too few or too many, a seat of who came too late."""
    found = drawn_from(rows, **told)
    assert {"counts differ"} == set(kinds(found))
    assert (who,) in {finding.who for finding in found.findings}


def test_without_counters_it_says_what_was_not_compared() -> None:
    """A target without metrics, or a scrape that failed, is told; the rows still count."""
    blind = replace(evidence(SOUND, ROWS), telemetry=None)
    assert audit(blind).ok
    assert "no counters" in audit(blind).notes[0]
    assert not audit(replace(blind, rows=ROWS[1:])).ok


def test_a_run_without_a_ledger_and_a_damaged_one_are_clear_errors(
    verb: Verb, tmp_path: Path
) -> None:
    """Exit 3, nothing to audit against; exit 2, the line."""
    manifest = evidence(SOUND, ROWS).manifest
    manifest.write(tmp_path)
    none = verb("audit", str(tmp_path))
    assert none.code == 3
    assert "SURGE_ADMIN_TOKEN" in none.told
    replace(manifest, kind="simulated").write(tmp_path)
    assert verb("audit", str(tmp_path)).code == 2
    assert verb("audit", str(tmp_path / "none")).code == 2


@pytest.mark.slow
def test_a_real_run_reconciles_and_stops_to_when_its_ledger_is_tampered_with(
    verb: Verb, real_run: Any, tmp_path: Path
) -> None:
    """A row removed; a row added; a line cut."""
    sound = verb("audit", str(real_run.path), "--json")
    assert sound.code == 0, sound.told
    assert sound.found["rows_of_run"] > 100
    assert {one["kind"] for one in sound.found["counts"]} >= {"people", "answers 201"}
    copy = tmp_path / "copy"
    shutil.copytree(real_run.path, copy)
    ledger = copy / "ledger.ndjson"
    lines = ledger.read_text().splitlines(keepends=True)
    for tampered, kind in ((lines[1:], "lost write"), ([*lines, added(lines[0])], "double row")):
        ledger.write_text("".join(tampered))
        answer = verb("audit", str(copy), "--json")
        assert answer.code == 1
        assert kind in {finding["kind"] for finding in answer.found["findings"]}
        assert "DOES NOT RECONCILE" in answer.told
    ledger.write_text("".join(lines)[:-30])
    assert verb("audit", str(copy)).code == 2


def added(line: str) -> str:
    """A second row for the same person."""
    return json.dumps({**json.loads(line), "registration": "r0", "request_id": "r0"}) + "\n"
