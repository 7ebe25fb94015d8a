"""Whether a run may be believed: its status, how punctual the generator was, and the laws."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.dossier import RunRecord
from harness.report.units import NOTHING, plural, rate, seconds, share
from loadtests.pacer import BUSY_SHARE, LATE_S, LATE_SHARE, late_share
from workload.laws import LAWS
from workload.objective import Answer

RULE = (
    f"A schedule is kept when at most {share(LATE_SHARE)} of the attempts were sent more than "
    f"{seconds(LATE_S)} late and the generator used less than {share(BUSY_SHARE)} of its core."
)


@dataclass(frozen=True)
class ValidityRow:
    """A run. ``sound``: it ended well and kept every law."""

    run: str
    status: str
    sound: bool
    reasons: tuple[str, ...]
    visitors: str
    objectives: str
    late: str
    lag: str
    cpu: str
    laws: str
    scrapes: str
    ledger: str
    missing: tuple[str, ...]


def validity(run: RunRecord) -> ValidityRow:
    """What the record says of itself."""
    said = run.manifest.generator
    workers = said.get("workers") or []
    lags = [worker["lag"] for worker in workers if worker.get("lag")]
    total = [sum(counts) for counts in zip(*lags, strict=True)] if lags else []
    window = max(run.arrivals_s, 1e-9)
    busiest = [worker["window_cpu_s"] / window for worker in workers if worker.get("window_cpu_s")]
    broken = run.laws_broken
    return ValidityRow(
        run=run.name,
        status=run.status,
        sound=run.status == "complete",
        reasons=run.reasons,
        visitors=rate(run.visitors_per_s),
        objectives=_objectives(run),
        late=share(late_share(total)) if total else NOTHING,
        lag=_lag(said),
        cpu=share(max(busiest)) if busiest else NOTHING,
        laws=_laws(broken),
        scrapes=_scrapes(run),
        ledger=str(said.get("ledger", "not exported")),
        missing=run.missing,
    )


def _objectives(run: RunRecord) -> str:
    if run.status != "complete":
        return "not judged"
    answers = [verdict.answer for verdict in run.verdicts]
    counts = [(answer.value, answers.count(answer)) for answer in Answer]
    return ", ".join(f"{number} {answer}" for answer, number in counts if number) or "none"


def _lag(said: dict[str, object]) -> str:
    p99 = said.get("lag_p99_s")
    if "lag_p99_s" not in said:
        return NOTHING
    return f"≤ {seconds(p99)}" if isinstance(p99, int | float) else "more than 5 s"


def _laws(broken: tuple[str, ...] | None) -> str:
    if broken is None:
        return "not checked: no history"
    if not broken:
        return f"all {len(LAWS)} hold"
    laws = {found.partition(":")[0] for found in broken}
    return f"{plural(len(laws), 'law')} of {len(LAWS)} broken"


def _scrapes(run: RunRecord) -> str:
    """How many of the scrapes of the target were answered."""
    if run.telemetry is None:
        return "no telemetry"
    up = [values for (_, series), (_, values) in run.telemetry.samples.items() if series == "up"]
    asked, answered = sum(len(one) for one in up), sum(float(one.sum()) for one in up)
    return f"{answered:,.0f} of {asked:,}" if asked else "target showed no metrics"
