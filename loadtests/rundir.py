"""The run directory: what a finished run leaves behind, self-contained and movable.

manifest.json · scenario.toml · history-*.arrows · summary.json · junit.xml · telemetry.arrows ·
ledger.ndjson · support-calls.ndjson · generator.json · logs/
"""

from __future__ import annotations

import fcntl
import shutil
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any, Final

from loadtests.junit import is_measurable, junit
from loadtests.orders import Orders
from loadtests.target import open_directly
from workload.errors import Fault, InputError, InvalidRunError, RecordError
from workload.facts import MeasuredFacts
from workload.history import History, read_history
from workload.journey import SUPPORT_STEP
from workload.laws import broken
from workload.manifest import (
    Manifest,
    read_json,
    these_versions,
    this_commit,
    this_machine,
    write_json,
)
from workload.objective import Answer, Verdict, judge, unless_cut
from workload.summary import Summary, summarize
from workload.telemetry import FILE_NAME, Telemetry, read_telemetry

#: How the generator says that it ended, and how far it is.
RESULT: Final = "generator.json"
PROGRESS: Final = "progress.json"
RECORDER_LOG: Final = "recorder.log"
SCHEMA_NAME: Final = "surge/generator/1"
LEDGER: Final = "ledger.ndjson"
#: The service's list of calls for help, where a journey has them.
CALLS: Final = "support-calls.ndjson"
#: How the wave of a run ended (`loadtests.closing.Wave.state`), where it was to be closed.
CLOSED: Final = "closed"
FAILED: Final = "failed"
LEDGER_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class CampaignResult:
    """What a run came to. ``verdicts``: one an objective, judged only by a valid run."""

    run_dir: Path
    manifest: Manifest
    summary: Summary
    verdicts: tuple[Verdict, ...]

    @property
    def exit_code(self) -> int:
        """130 interrupted, 3 invalid, 1 an objective missed, 3 one unknown, 0 all met.

        An objective that only a projection can answer (a probability) does not count.
        """
        if self.manifest.status != "complete":
            return {"interrupted": 130}.get(self.manifest.status, 3)
        answers = {v.answer for v in self.verdicts if is_measurable(v)}
        if Answer.MISSED in answers:
            return 1
        return 3 if Answer.UNKNOWN in answers else 0


def make_run_dir(path: Path) -> None:
    """The directory with its logs/; InputError when it already holds a run."""
    if any(path.glob("history-*")) or (path / "manifest.json").exists():
        remedy = "a run is already there: give another directory"
        raise InputError("run directory", [Fault("run-dir", str(path), remedy)])
    try:
        (path / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"can't be made: {error.strerror}"
        raise InputError("run directory", [Fault("run-dir", str(path), remedy)]) from error


@dataclass(frozen=True)
class Circumstances:
    """What the generator can't say of its own end in generator.json.

    ``facts`` go into the manifest as they are; ``lost``: processes that are gone.
    """

    began_unix: float
    facts: Mapping[str, Any]
    lost: tuple[str, ...] = ()
    interrupted: bool = False


def finish(
    run_dir: Path,
    orders: Orders,
    capacity: Mapping[str, Any],
    ending: Circumstances,
    token: str = "",
) -> CampaignResult:
    """Export the ledger (with an admin token), fold the history, judge it, write what is left.

    A history that breaks a law makes the run invalid, and the reason names the law. Raises
    InvalidRunError when not even a beginning was recorded.
    """
    wait_for_recorder(run_dir)
    manifest = _manifest(run_dir, orders, capacity, ending)
    if token:
        why = export_ledger(orders.target, token, run_dir)
        manifest.generator["ledger"] = why or "exported"
        if SUPPORT_STEP in orders.load().walked.names and not why:
            why = export_ledger(orders.target, token, run_dir, "/ledger/support-calls", CALLS)
            manifest.generator["support_ledger"] = why or "exported"
    history = _rows(run_dir, manifest)
    if laws := broken(history):
        manifest = _invalid(manifest, [f"a law is broken: {finding}" for finding in laws])
    scenario = orders.load()
    summary = summarize(history, max(manifest.lasted_s, 1e-9), scenario.checkpoints_h)
    facts = MeasuredFacts(summary, _telemetry(run_dir, manifest))
    judged = (judge(objective, facts) for objective in scenario.objectives)
    verdicts = tuple(unless_cut(one, cut_of(manifest), len(history)) for one in judged)
    manifest.write(run_dir)
    (run_dir / "scenario.toml").write_text(scenario.to_toml(), encoding="utf-8")
    objectives = [verdict.to_json() for verdict in verdicts]
    write_json(run_dir / "summary.json", {**summary.to_json(), "objectives": objectives})
    (run_dir / "junit.xml").write_bytes(junit(manifest, verdicts))
    (run_dir / PROGRESS).unlink(missing_ok=True)
    return CampaignResult(run_dir, manifest, summary, verdicts)


def cut_of(manifest: Manifest) -> int:
    """Attempts that the end of the record cut; none in a record that is older than this count."""
    return int(manifest.generator.get("cut", 0))


def wait_for_recorder(run_dir: Path) -> None:
    """Return when no recorder writes there: it holds a lock on its log for as long as it lives."""
    log = run_dir / "logs" / RECORDER_LOG
    if not log.exists():
        return
    with log.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)


def _manifest(
    run_dir: Path, orders: Orders, capacity: Mapping[str, Any], ending: Circumstances
) -> Manifest:
    said = _generator(run_dir, ending)
    scenario = orders.load()
    manifest = Manifest(
        kind="measured",
        scenario=scenario.name,
        fingerprint=scenario.fingerprint,
        seed=scenario.seed,
        bending=orders.bending,
        status=said.pop("status"),
        reasons=tuple(said.pop("reasons")),
        target=orders.target,
        began_unix=said.pop("began_unix") or ending.began_unix,
        lasted_s=said.pop("lasted_s"),
        commit=this_commit(),
        machine=this_machine(),
        versions=these_versions(),
        capacity=dict(capacity),
        generator={
            "protocol": orders.protocol,
            "headers": sorted(orders.headers),
            "drain_s": orders.drain_s,
            **ending.facts,
            **said,
        },
        reading=scenario.reading,
    )
    return _invalid(manifest, ending.lost) if ending.lost else manifest


def _invalid(manifest: Manifest, reasons: Iterable[str]) -> Manifest:
    """With more reasons; a run that was interrupted stays so."""
    status = "invalid" if manifest.status == "complete" else manifest.status
    return replace(manifest, status=status, reasons=(*manifest.reasons, *reasons))


def _generator(run_dir: Path, ending: Circumstances) -> dict[str, Any]:
    """What the generator said at its end; when it left no word, that."""
    if (run_dir / RESULT).exists():
        return read_json(run_dir / RESULT, SCHEMA_NAME)
    why = "the generator ended before it could report; see logs/"
    return {
        "status": "interrupted" if ending.interrupted else "invalid",
        "reasons": [why],
        "began_unix": 0.0,
        "lasted_s": max(time() - ending.began_unix, 0.0),
    }


def _rows(run_dir: Path, manifest: Manifest) -> History:
    """The history; of a run that ended early up to its last whole batch."""
    try:
        return read_history(run_dir, cut_short_is_fine=manifest.status != "complete")
    except RecordError as error:
        why = "; ".join(manifest.reasons)
        raise InvalidRunError(f"{why}\n{error}" if why else str(error)) from error


def _telemetry(run_dir: Path, manifest: Manifest) -> Telemetry | None:
    if not (run_dir / FILE_NAME).exists():
        return None
    return read_telemetry(run_dir, cut_short_is_fine=manifest.status != "complete")


def export_ledger(
    target: str, token: str, run_dir: Path, route: str = "/ledger", name: str = LEDGER
) -> str:
    """Every row of the service into ``ledger.ndjson``; '' or why there is none."""
    url = f"{target.rstrip('/')}{route}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - the scheme was checked
    beside = run_dir / f".{name}"
    try:
        with (
            open_directly(request, timeout=LEDGER_TIMEOUT_S) as answer,
            beside.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        return f"{url}: {error}"
    beside.replace(run_dir / name)
    return ""
