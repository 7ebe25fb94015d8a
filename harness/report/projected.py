"""A projection as the page shows it: verdicts, checkpoints, steps, stations, and what it can't say.

Outcomes near the cliff are two-peaked: where some replications collapse and some do not, every
figure that would be a mean across both is withheld.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.report.kept_summary import verdict_from
from harness.report.units import NOTHING, count, seconds, share, signed
from workload.manifest import Bending
from workload.objective import Answer, Verdict
from workload.scenario import Scenario

WITHHELD: Final = "withheld"


def two_peaked(raw: Mapping[str, Any]) -> bool:
    """Some replications collapse, and some do not."""
    return 0 < int(raw["collapse"]["count"]) < int(raw["replications"])


def verdicts(raw: Mapping[str, Any]) -> list[Verdict]:
    """The projection's own verdicts; unknown where they would be drawn from both peaks."""
    return [_verdict(row, peaks=two_peaked(raw)) for row in raw.get("objectives", ())]


def _verdict(row: Mapping[str, Any], *, peaks: bool) -> Verdict:
    verdict = verdict_from(row)
    if peaks and verdict.objective.kind in ("latency", "success"):
        why = "some replications collapse and some do not: no figure stands for both"
        return Verdict(verdict.objective, Answer.UNKNOWN, math.nan, math.nan, why)
    return verdict


def is_bent(raw: Mapping[str, Any], scenario: Scenario | None) -> bool:
    """Whether another wave was projected than the scenario's: nothing published compares then."""
    bending = raw.get("bending")
    if not bending:
        return False
    bent = Bending(**{**bending, "window_s": tuple(bending["window_s"])})
    whole = scenario.curve.duration_s if scenario else bent.window_s[1]
    return bent != Bending((0.0, whole))


#: The step whose drop-out a count rests on.
LEAVING_BEFORE: Final = {
    "email_verified": "verify_email",
    "identity_verified": "submit_identity",
    "joined": "join_wave",
}


@dataclass(frozen=True)
class CheckpointRow:
    """One published column at one hour. ``role``: whether it is an input or was predicted."""

    hours: str
    column: str
    projected: str
    published: str
    difference: str
    role: str


@dataclass(frozen=True)
class StepRow:
    name: str
    visits: str
    attempts: str
    accepted: str
    gave_up: str
    p50: str
    p95: str
    p99: str
    uncalibrated: bool


@dataclass(frozen=True)
class StationRow:
    name: str
    utilisation: str
    bar: float
    peak_queue: str
    mean_wait: str
    longest_wait: str
    drained: str


def checkpoints(raw: Mapping[str, Any], scenario: Scenario | None) -> list[CheckpointRow]:
    """Projected beside published; withheld where the projection has two peaks."""
    rows = []
    bent = is_bent(raw, scenario)
    for point in raw["checkpoints"]:
        published = {} if bent else point.get("published", {})
        for column in (c for c in point if c not in ("hours", "published")):
            given, own = published.get(column), point[column]
            apart = own / given - 1 if given and own is not None else None
            rows.append(
                CheckpointRow(
                    hours=f"{point['hours']:g}",
                    column=column,
                    projected=WITHHELD if two_peaked(raw) else count(own),
                    published=count(given),
                    difference=NOTHING if two_peaked(raw) else signed(apart),
                    role=_role(column, scenario, raw),
                )
            )
    return rows


def _role(column: str, scenario: Scenario | None, raw: Mapping[str, Any]) -> str:
    """Demand, drop-outs and limits are put in, some pauses are fitted; the rest is predicted."""
    if column == "registered":
        return "input: the demand"
    reading = scenario.readings.get(str(raw["scenario"].get("reading", ""))) if scenario else None
    if reading and column in reading.fitted:
        return "fitted: a pause before it was solved to meet it"
    ratio = reading.drop_out.get(LEAVING_BEFORE.get(column, "")) if reading else None
    limit = " and the registry's rate are inputs" if column == "identity_verified" else ""
    return f"drop-out of {share(ratio)}{limit or ' is an input'}" if ratio else "predicted"


def steps(raw: Mapping[str, Any]) -> list[StepRow]:
    """Every step, with those marked that the calibration runs hardly reached."""
    weak = set(raw.get("uncalibrated", ()))
    peaks = two_peaked(raw)

    def latency(row: Mapping[str, Any], key: str) -> str:
        if peaks:
            return WITHHELD
        if not row["visits"]:
            return NOTHING
        return seconds(math.inf if row[key] is None else row[key])

    return [
        StepRow(
            name=name,
            visits=count(row["visits"]),
            attempts=count(row["attempts"]),
            accepted=count(row["accepted"]),
            gave_up=count(row["gave_up"]),
            p50=latency(row, "p50_s"),
            p95=latency(row, "p95_s"),
            p99=latency(row, "p99_s"),
            uncalibrated=name in weak,
        )
        for name, row in {**raw["steps"], **raw.get("attack", {})}.items()
    ]


def stations(raw: Mapping[str, Any]) -> list[StationRow]:
    """Means are withheld where there are two peaks; the largest of all replications stay."""
    peaks = two_peaked(raw)
    rows = []
    for name, row in raw["stations"].items():
        use, drained = row.get("utilisation"), row.get("drained_at_h")
        rows.append(
            StationRow(
                name=name,
                utilisation=WITHHELD if peaks else share(use),
                bar=0.0 if peaks else float(use or 0.0),
                peak_queue=count(row.get("peak_queue")),
                mean_wait=WITHHELD if peaks else seconds(row.get("mean_wait_s")),
                longest_wait=seconds(row.get("longest_wait_s")),
                drained="not by the horizon"
                if drained is None
                else f"after {seconds(drained * 3600)}",
            )
        )
    return rows


def collapse_sentence(raw: Mapping[str, Any]) -> str:
    """The probability of collapse with its interval; never a mean across two outcomes."""
    chance, runs = raw["collapse"], int(raw["replications"])
    between = f"between {share(chance['low'])} and {share(chance['high'])} (95 %)"
    if not chance["count"]:
        between = f"at most {share(chance['high'])} (95 %)"
    return f"Collapse in {chance['count']} of {runs} replications: its probability is {between}"
