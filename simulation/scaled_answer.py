"""What a projection says of its replicas: how many when, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from simulation.replication import Replication
from simulation.scaled import MONTH_H, Scaled, busiest_minute_s

#: Within so many seconds of the peak is "at the peak".
AT_THE_PEAK_S: Final = 30.0

Mean = Callable[[Sequence[float]], float | None]


def scaling_of(
    runs: Sequence[Replication], prices: Mapping[str, float], mean: Mean
) -> dict[str, Any] | None:
    """`scaling` of `surge/projection/1`; ``mean``: over replications, None across two peaks.

    The series and the sentence are those of the first replication. None without scaling.
    """
    found = [one.scaled for one in runs if one.scaled]
    if not found:
        return None
    first, hours = found[0], found[0].horizon_s / 3600
    paid = mean([one.replica_hours for one in found])
    price = prices.get("replica")
    most = max(one.most_started for one in found)
    hourly = None if price is None else price / MONTH_H
    peak_s = peak_of(runs[0])
    return {
        "told": told(first, peak_s),
        "hours": hours,
        "replica_hours": paid,
        "mean_replicas": mean([one.mean_replicas for one in found]),
        "most_started": most,
        "cost": None if hourly is None or paid is None else hourly * paid,
        "cost_of_most": None if hourly is None else hourly * most * hours,
        "peak_s": peak_s,
        "most_ready": first.most.ready,
        "most_ready_s": first.most.at_s,
        "series": [asdict(change) for change in first.changes],
    }


def peak_of(run: Replication) -> float:
    """The middle of the busiest minute in which people came, seconds."""
    return busiest_minute_s(run.summary.steps[0].offered, run.summary.cell_s)


def told(found: Scaled, peak_s: float) -> str:
    """One sentence: from how many to how many, and how late."""
    before, most = found.first, found.most
    least = min(change.ready for change in found.changes)
    if most.ready > before:
        return f"scaled from {before} to {most.ready} replicas, {when(most.at_s - peak_s)}"
    if least < before:
        return f"scaled from {before} down to {_replicas(least)}"
    return f"stayed at {_replicas(before)}"


def _replicas(number: int) -> str:
    return f"{number} replica{'' if number == 1 else 's'}"


def when(late_s: float) -> str:
    """'4 min after the peak', from how late something was (early: below 0)."""
    if abs(late_s) <= AT_THE_PEAK_S:
        return "at the peak"
    size, side = abs(late_s), "after" if late_s > 0 else "before"
    for unit_s, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if size >= 2 * unit_s or unit_s == 1.0:
            return f"{size / unit_s:.3g} {unit} {side} the peak"
    raise AssertionError


def paid_replicas(runs: Sequence[Replication]) -> float | None:
    """Replicas that would cost as much all the time as those that came and went, on average."""
    found = [one.scaled.mean_replicas for one in runs if one.scaled]
    return sum(found) / len(found) if found else None
