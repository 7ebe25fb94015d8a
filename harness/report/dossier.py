"""What lies on the table: run directories and the files beside them, read, with what is missing.

A part that is not there is named in `missing` and stays absent from the page; nothing is made up
for it. A part that is there but damaged is an error: RecordError names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from harness.report.kept_summary import read_summary, read_verdicts
from loadtests.junit import is_measurable
from loadtests.rundir import cut_of
from workload import agreement as agreements
from workload.agreement import Agreement, agreement_from
from workload.errors import Fault, RecordError
from workload.facts import MeasuredFacts
from workload.history import History, read_history
from workload.laws import broken
from workload.manifest import Manifest, read_json, read_manifest
from workload.objective import Answer, Verdict, judge, unless_cut
from workload.scenario import Scenario, load_scenario
from workload.summary import Summary, summarize
from workload.telemetry import FILE_NAME, Telemetry, read_telemetry

SCHEMAS: Final = {
    "model": "surge/model/1",
    "agreement": agreements.SCHEMA_NAME,
    "projection": "surge/projection/1",
    "plan": "surge/plan/1",
    "cliff": "surge/cliff/1",
}
#: What is only asked for now and then: nobody is told that it is missing.
OPTIONAL: Final = ("cliff",)
#: Runs of these names only look for the limit: they may overload anything, and judge nobody.
PROBES: Final = ("saturation", "warm-up")

Part = TypeVar("Part")


@dataclass(frozen=True)
class RunRecord:
    """One run directory. ``laws_broken``: None where there was no history to hold them against.

    ``recorded``: the verdicts of its summary.json.
    """

    name: str
    manifest: Manifest
    scenario: Scenario | None = None
    history: History | None = None
    summary: Summary | None = None
    telemetry: Telemetry | None = None
    laws_broken: tuple[str, ...] | None = None
    missing: tuple[str, ...] = ()
    recorded: tuple[Verdict, ...] = ()

    @property
    def status(self) -> str:
        """As in the manifest, but invalid where the history breaks a law."""
        if self.manifest.status == "complete" and self.laws_broken:
            return "invalid"
        return self.manifest.status

    @property
    def reasons(self) -> tuple[str, ...]:
        laws = tuple(f"a law is broken: {found}" for found in self.laws_broken or ())
        known = self.manifest.reasons
        return (*known, *(reason for reason in laws if reason not in known))

    @property
    def who(self) -> str:
        """Who answered: a service, or its model."""
        return "the service" if self.manifest.kind == "measured" else "the model of the service"

    @property
    def planned_s(self) -> float:
        """How long visitors were to come, seconds."""
        start, end = self.manifest.bending.window_s
        return (end - start) / self.manifest.bending.speed

    @property
    def arrivals_s(self) -> float:
        """How long visitors came: shorter than planned when the run was interrupted."""
        return max(min(self.planned_s, self.manifest.lasted_s or self.planned_s), 1e-9)

    @property
    def visitors_per_s(self) -> float | None:
        """Visitors that came, a second; None without a record of them."""
        return self.summary.visits / self.arrivals_s if self.summary else None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Each objective that one run can answer, judged by the record."""
        return tuple(verdict for verdict in self._judged if is_measurable(verdict))

    @property
    def not_measurable(self) -> tuple[Verdict, ...]:
        """The objectives that no single run can answer: unknown, until there is a projection."""
        why = "one run has no probability: ask surge simulate"
        asked = (verdict for verdict in self._judged if not is_measurable(verdict))
        return tuple(replace(verdict, answer=Answer.UNKNOWN, why=why) for verdict in asked)

    @property
    def _judged(self) -> tuple[Verdict, ...]:
        if self.manifest.kind != "measured":
            return self.recorded  # they know which steps of the model are uncalibrated
        if self.scenario is None or self.summary is None:
            return ()
        facts = MeasuredFacts(self.summary, self.telemetry)
        judged = (judge(objective, facts) for objective in self.scenario.objectives)
        walked = (*self.summary.steps, *self.summary.attack)
        recorded = sum(step.attempts for step in walked)
        return tuple(unless_cut(one, cut_of(self.manifest), recorded) for one in judged)


@dataclass(frozen=True)
class Dossier:
    """All that the report is about. Mappings: the JSON of their files, without ``schema``."""

    runs: tuple[RunRecord, ...] = ()
    model: Mapping[str, Any] | None = None
    agreement: Agreement | None = None
    projection: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    beside: Mapping[str, Any] | None = None  # a map of the cliff that was computed for itself
    missing: tuple[str, ...] = field(default=())

    @property
    def cliff(self) -> Mapping[str, Any] | None:
        """The map of the cliff: the projection's own, else one that `surge cliff` printed."""
        return (self.projection or {}).get("cliff") or self.beside

    @property
    def judged(self) -> RunRecord | None:
        """The run whose verdict stands on top: the highest load among those that ended well."""
        whole = [run for run in self.meant if run.status == "complete"] or self.meant
        return max(whole, key=lambda run: run.visitors_per_s or 0.0, default=None)

    @property
    def meant(self) -> tuple[RunRecord, ...]:
        """The runs that were meant to show something: no probes, unless there is nothing else."""
        return tuple(run for run in self.runs if not run.name.startswith(PROBES)) or self.runs

    @property
    def hardest(self) -> RunRecord | None:
        """The run with the highest load that ended well: where something breaks first."""
        whole = [run for run in self.runs if run.status == "complete"] or self.runs
        return max(whole, key=lambda run: run.visitors_per_s or 0.0, default=None)

    @property
    def objectives_scenario(self) -> Scenario | None:
        """The scenario whose objectives count: that of the judged run."""
        return self.judged.scenario if self.judged else None


def read_dossier(paths: Sequence[Path]) -> Dossier:
    """Everything in these run directories, folders of run directories, and JSON files.

    Raises RecordError for a path that is none of these, and for a damaged file.
    """
    runs: list[RunRecord] = []
    files: dict[str, Path] = {}
    for path in paths:
        for kind, found in _files_at(path):
            files.setdefault(kind, found)
        directories = _run_directories(path)
        for directory in directories:
            for kind, found in _files_at(directory):
                files.setdefault(kind, found)
        records = [read_run_record(directory) for directory in directories]
        runs += sorted(records, key=lambda run: run.manifest.began_unix)
    if not runs and not files:
        _fail(paths[0] if paths else Path(), "holds no run directory and no file of surge")
    read = {kind: read_json(path, SCHEMAS[kind]) for kind, path in files.items()}
    projection = read.get("projection")
    return Dossier(
        runs=tuple(runs),
        model=read.get("model"),
        agreement=_agreement(read.get("agreement"), projection),
        projection=projection,
        plan=read.get("plan"),
        beside=read.get("cliff"),
        missing=tuple(f"{kind}.json" for kind in SCHEMAS if kind not in (*files, *OPTIONAL)),
    )


def _fail(path: Path, what: str) -> None:
    remedy = f"{what}: give what `surge load`, `verify` or `demo` wrote"
    raise RecordError("report", [Fault("RUN", str(path), remedy)])


def _run_directories(path: Path) -> list[Path]:
    if (path / "manifest.json").is_file():
        return [path]
    return sorted(one.parent for one in path.glob("*/manifest.json")) if path.is_dir() else []


def _files_at(path: Path) -> Iterator[tuple[str, Path]]:
    """The kinds of JSON file at a path: those beside the runs, or the file itself by its schema."""
    if path.is_dir():
        for kind in SCHEMAS:
            if (path / f"{kind}.json").is_file():
                yield kind, path / f"{kind}.json"
        return
    if not path.is_file():
        _fail(path, "is not there")
    kinds = {schema: kind for kind, schema in SCHEMAS.items()}
    try:
        schema = json.loads(path.read_text(encoding="utf-8")).get("schema")
    except (ValueError, AttributeError):
        schema = None
    if schema not in kinds:
        _fail(path, f"is no file of {', '.join(SCHEMAS.values())}")
    yield kinds[schema], path


def _agreement(
    raw: Mapping[str, Any] | None, projection: Mapping[str, Any] | None
) -> Agreement | None:
    """From agreement.json, else the one that the projection carries."""
    given = raw or (projection or {}).get("agreement")
    if not given:
        return None
    try:
        return agreement_from({key: value for key, value in given.items() if key != "schema"})
    except (KeyError, TypeError, ValueError) as error:
        fault = Fault("agreement", str(error), "a key is missing or damaged; was it edited?")
        raise RecordError("agreement.json", [fault]) from error


def read_run_record(directory: Path) -> RunRecord:
    """A run directory. RecordError when its manifest is missing or a part of it is damaged."""
    manifest = read_manifest(directory)
    missing: list[str] = []

    def part(name: str, present: bool, read: Callable[[], Part]) -> Part | None:  # noqa: FBT001
        if present:
            return read()
        missing.append(name)
        return None

    reading = manifest.reading or None
    toml = directory / "scenario.toml"
    scenario = part("scenario.toml", toml.is_file(), lambda: load_scenario(toml, reading))
    shards = any(directory.glob("history-*.arrows"))
    early = manifest.status != "complete"
    history = part(
        "history-*.arrows", shards, lambda: read_history(directory, cut_short_is_fine=early)
    )
    telemetry_there = (directory / FILE_NAME).is_file()
    telemetry = part(
        FILE_NAME, telemetry_there, lambda: read_telemetry(directory, cut_short_is_fine=early)
    )
    kept = directory / "summary.json"
    if history is None:
        summary = part("summary.json", kept.is_file(), lambda: read_summary(kept))
    else:
        hours = scenario.checkpoints_h if scenario else ()
        summary = summarize(history, _duration_s(manifest, history), hours)
    laws = tuple(broken(history)) if history is not None else None
    name = directory.resolve().name
    recorded = read_verdicts(kept) if kept.is_file() else ()
    return RunRecord(
        name, manifest, scenario, history, summary, telemetry, laws, tuple(missing), recorded
    )


def _duration_s(manifest: Manifest, history: History) -> float:
    if manifest.lasted_s > 0:
        return manifest.lasted_s
    return max(float(history["ended"].max(initial=0)) / 1e9, 1e-9)
