"""Measured runs that ship with the tests, thinned to what a prediction is made of and held against.

    python -m harness.stored_runs keep runs/verify-… NAME     thin a record of `surge verify`
    python -m harness.stored_runs bound                       write down how wrong the model is now

A set holds the runs that a model is learned from (counters, and who was answered: the instants of
attempts are left out, since nothing is learned from a latency), what answered the held-out ones,
the pace of each, and the figures that were measured there. `bound.json` has, by set, the size of
each log error |log(predicted / measured)|; the tests replay the sets and fail where one got worse.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness import CHECKOUT
from harness.held_deployments import SLOWER
from harness.measuring import answers_per_s, deployment_of, history_of, measured_part, question_of
from simulation.calibrate import calibrate_runs
from simulation.evidence import Run, read_run, windows
from simulation.pace import at_pace, mail_cost_s, ratio
from simulation.projection import replicate
from simulation.service import ServiceModel
from workload.agreement import figure
from workload.durations import Duration
from workload.errors import Fault, RecordError
from workload.history import COLUMNS, History
from workload.history import SCHEMA_NAME as HISTORY
from workload.manifest import Manifest, read_json, read_manifest, write_json
from workload.scenario import Scenario, load_scenario
from workload.summary import Summary, finite, summarize
from workload.telemetry import FILE_NAME, SCHEMA, Telemetry

SCHEMA_NAME: Final = "surge/stored-runs/1"
BOUNDS: Final = "surge/stored-bounds/1"
HOME: Final = CHECKOUT / "tests" / "harness" / "measured"
#: Runs that a model is learned from, and runs that are of no use afterwards.
LEARNED: Final = re.compile(r"low-\d+|pulses(-\d+)?")
USELESS: Final = re.compile(r"warm-up.*")
SATURATION: Final = re.compile(r"saturation-\d+")
METRICS: Final = ("p50_s", "p95_s")
#: Of a capacity page: what is no size and no policy.
ELSEWHERE: Final = ("metrics", "registry", "mailbox", "photos", "versions", "stations")
#: Histograms of which nobody needs the buckets, and series of which nobody needs anything.
NO_BUCKETS: Final = re.compile(r"(?!surge_station_service_seconds).*_bucket")
NO_SERIES: Final = re.compile(r"surge_route_seconds_.*|surge_photo_store_.*|up|python_.*")
SECOND_NS: Final = 1_000_000_000
COMPRESSION: Final = pa.Codec("zstd", 19)


def keep(record: Path, into: Path) -> Path:
    """Thin the record of a `surge verify` into a new directory; RecordError where it is none."""
    runs = sorted(path.parent for path in record.glob("*/manifest.json"))
    # Changed deployments have folders of their own.
    runs += sorted(path.parent for path in record.glob("*/*/manifest.json"))
    held: dict[str, list[Run]] = {}
    saturation: dict[str, float] = {}
    mail_s: dict[str, float | None] = {}
    if not any(LEARNED.fullmatch(path.name) for path in runs):
        remedy = "give the directory that `surge verify` wrote"
        raise RecordError("stored runs", [Fault("record", str(record), remedy)])
    for path in runs:
        if USELESS.fullmatch(path.name) or read_manifest(path).status != "complete":
            continue
        run = read_run(path)
        if LEARNED.fullmatch(path.name):
            _write_learned(run, into / path.name)
            continue
        _write_manifest(run.manifest, into / path.name)
        mail_s[path.name] = finite(mail_cost_s(windows([run])))
        scenario = (path / "scenario.toml").read_text(encoding="utf-8")
        (into / path.name / "scenario.toml").write_text(scenario, encoding="utf-8")
        if SATURATION.fullmatch(path.name):
            saturation[path.name] = answers_per_s(run.history, run.arrivals_s)
        else:
            held.setdefault(re.sub(r"-\d+$", "", path.name), []).append(run)
    rows = [row for name, repeats in held.items() for row in _measured(name, repeats)]
    found = {"schema": SCHEMA_NAME, "saturation": saturation, "mail_s": mail_s, "rows": rows}
    return write_json(into / "measured.json", found)


def _measured(name: str, repeats: Sequence[Run]) -> Iterable[dict[str, Any]]:
    summaries = [summarize(run.history, run.arrivals_s) for run in repeats]
    for step in summaries[0].steps:
        for metric in METRICS:
            seen = [v for one in summaries if (v := figure(one, step.name, metric)) is not None]
            if seen:
                yield {
                    "level": name, "runs": [run.path.name for run in repeats], "step": step.name,
                    "metric": metric, "measured": statistics.median(seen), "repeats": seen,
                }  # fmt: skip


def _write_manifest(manifest: Manifest, directory: Path) -> None:
    """Without addresses, and without what only the generator has to know."""
    directory.mkdir(parents=True, exist_ok=True)
    said = {key: value for key, value in manifest.capacity.items() if key not in ELSEWHERE}
    replace(manifest, target="", capacity=said, generator={}).write(directory)


def _write_learned(run: Run, directory: Path) -> None:
    _write_manifest(run.manifest, directory)
    columns = {name: column.copy() for name, column in run.history.columns.items()}
    came = columns["arrived"] // SECOND_NS * SECOND_NS
    for name in ("arrived", "intended", "started", "ended"):
        columns[name] = came
    history = History(run.history.steps, columns).ordered()
    metadata = {b"schema": HISTORY.encode(), b"steps": ",".join(history.steps).encode()}
    schema = pa.schema([pa.field(name, kind) for name, kind in COLUMNS], metadata=metadata)
    arrays = [pa.array(history[name]).cast(kind) for name, kind in COLUMNS]
    _write_stream(directory / "history-0.arrows", pa.table(arrays, schema=schema))
    _write_stream(directory / FILE_NAME, thinned(run.telemetry))


def thinned(telemetry: Telemetry) -> pa.Table:
    """Each series where it changes: at every instant it reads as it did."""
    columns: list[list[Any]] = [[], [], [], []]
    for (source, series), (at_ns, values) in sorted(telemetry.samples.items()):
        name = series.partition("{")[0]
        if NO_SERIES.fullmatch(name) or NO_BUCKETS.fullmatch(name) or not values.any():
            continue
        changed = np.flatnonzero(np.concatenate([[True], np.diff(values) != 0]))
        for column, found in zip(
            columns,
            (at_ns[changed].tolist(), [source] * len(changed), [series] * len(changed),
             values[changed].tolist()),
            strict=True,
        ):  # fmt: skip
            column.extend(found)
    arrays = [pa.array(found, type=of.type) for found, of in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)


def _write_stream(path: Path, table: pa.Table) -> None:
    options = pa.ipc.IpcWriteOptions(compression=COMPRESSION)
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema, options=options) as out,
    ):
        out.write_table(table)


@dataclass(frozen=True)
class Replayed:
    """One figure of a stored set: what the model of today says of it. Seconds, or answers/s."""

    level: str
    step: str
    metric: str
    measured: float
    predicted: float

    @property
    def key(self) -> str:
        return " ".join(part for part in (self.level, self.step, self.metric) if part)

    @property
    def error(self) -> float:
        """|log(predicted / measured)|; infinite where the model has no figure."""
        if not (0 < self.predicted < math.inf):
            return math.inf
        return abs(math.log(self.predicted / self.measured))


def model_of(directory: Path) -> ServiceModel:
    """What today's calibration learns from a set's low runs."""
    paths = sorted(p for p in directory.iterdir() if LEARNED.fullmatch(p.name))
    return calibrate_runs([read_run(path) for path in paths])


def replayed(directory: Path, model: ServiceModel) -> list[Replayed]:
    """Every figure of a set, predicted; levels in the order in which they were kept."""
    kept = read_json(directory / "measured.json", SCHEMA_NAME)
    summaries: dict[str, Summary] = {}
    found = []
    for row in kept["rows"]:
        figures = []
        for name in row["runs"]:
            if name not in summaries:
                run, then = _described(directory / name), _at(kept["mail_s"][name], model)
                summaries[name] = summarize(predicted(run, then), run.arrivals_s)
            value = figure(summaries[name], row["step"], row["metric"])
            figures.append(math.nan if value is None else value)
        middle = statistics.median(figures)
        found.append(Replayed(row["level"], row["step"], row["metric"], row["measured"], middle))
    for name, measured in kept["saturation"].items():
        run, then = _described(directory / name), _at(kept["mail_s"][name], model)
        answers = answers_per_s(predicted(run, then), run.arrivals_s)
        found.append(Replayed(name, "", "saturation_per_s", measured, answers))
    return found


def _at(mail_s: float | None, model: ServiceModel) -> ServiceModel:
    """The model at the pace of a run in which a mail cost its twin so many processor seconds."""
    return at_pace(model, ratio(math.nan if mail_s is None else mail_s, model.twin_mail_s))


def _described(directory: Path) -> Run:
    """A run of which only the description was kept: no attempt, no counter."""
    nothing = History((), {name: np.zeros(0, np.int64) for name, _ in COLUMNS})
    return Run(directory, read_manifest(directory), nothing, Telemetry({}))


def predicted(run: Run, model: ServiceModel) -> History:
    """The same visitors through the model."""
    scenario: Scenario = measured_part(load_scenario(run.path / "scenario.toml"))
    deployment = deployment_of(run)
    if run.path.name.startswith("registry-slow"):
        # The one change that a system can't say of itself: its twin is slower.
        knots = tuple(SLOWER * knot for knot in model.registry.knots_s)
        deployment = replace(deployment, registry_latency=Duration(knots))
    seed = run.manifest.seed
    asked = question_of(scenario, model, deployment, run.manifest.bending, seed)
    return history_of(replicate(asked, seed))


def stored_sets(home: Path = HOME) -> list[Path]:
    """The sets that there are, by name."""
    return sorted(path.parent for path in home.glob("*/measured.json"))


def worse(found: Sequence[Replayed], bound: Mapping[str, float], tolerance: float) -> list[str]:
    """In words, each figure whose error is beyond its bound; one without a bound is one too."""
    said = []
    for one in found:
        most = bound.get(one.key)
        if most is None:
            said.append(f"{one.key}: there is no bound; run python -m harness.stored_runs bound")
        elif one.error > most + tolerance:
            said.append(
                f"{one.key}: predicted {one.predicted:.4g}, measured {one.measured:.4g}: a log "
                f"error of {one.error:.3f}, the bound is {most:.3f} (+ {tolerance:g})"
            )
    return said


def write_bounds(home: Path = HOME) -> str:
    """Write ``bound.json`` by the model of today; what changed, a line a figure."""
    path = home / "bound.json"
    before = read_json(path, BOUNDS)["sets"] if path.is_file() else {}
    sets, lines = {}, [f"{'set':12} {'figure':44} {'was':>7} {'is':>7}  signed"]
    for directory in stored_sets(home):
        rows = replayed(directory, model_of(directory))
        # An error that is infinite has no number: it stays without a bound, and fails.
        sets[directory.name] = {
            one.key: round(one.error, 4) for one in rows if math.isfinite(one.error)
        }
        for one in rows:
            was = before.get(directory.name, {}).get(one.key)
            signed = one.predicted / one.measured - 1
            lines.append(
                f"{directory.name:12} {one.key:44} {'-' if was is None else f'{was:.3f}':>7} "
                f"{one.error:7.3f}  {signed:+.0%}"
            )
    write_json(path, {"schema": BOUNDS, "sets": sets})
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.stored_runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    keeping = verbs.add_parser("keep", help="thin a record of surge verify into a set")
    keeping.add_argument("record", type=Path)
    keeping.add_argument("name", help="of the set, such as 2026-11-24")
    verbs.add_parser("bound", help="write down how wrong the model is now")
    parsed = parser.parse_args(arguments)
    if parsed.verb == "keep":
        if not re.fullmatch(r"[a-z0-9-]+", parsed.name):
            parser.error(f"NAME {parsed.name!r}: use a-z, 0-9 and -")
        print(keep(parsed.record, HOME / parsed.name))
    else:
        print(write_bounds())
    return 0


if __name__ == "__main__":
    sys.exit(main())
