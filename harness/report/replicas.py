"""Replicas that come and go, as the page shows them: beside the peak, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report.canvas import DASHES, INK, SERIES, sheet
from harness.report.plots import Plot, mark, time_axis
from harness.report.projected import WITHHELD
from harness.report.units import count, seconds


def replicas_plot(raw: Mapping[str, Any]) -> Plot | None:
    """Ready and started over the time of a projection; None where their number is fixed."""
    scaling = raw.get("scaling")
    if not scaling:
        return None
    title = f"{scaling['told'][0].upper()}{scaling['told'][1:]}"
    changes, peak_s = scaling["series"], float(scaling["peak_s"])
    # The day after the last arrival holds nothing to see: it ends soon after the last change.
    last_s = max(float(changes[-1]["at_s"]), peak_s)
    end_s = min(scaling["hours"] * 3600, max(1.25 * last_s, 60.0))
    shown = [change for change in changes if change["at_s"] < end_s]
    edges = [*(float(change["at_s"]) for change in shown), end_s]
    ready, started = ([int(change[key]) for change in shown] for key in ("ready", "started"))
    told = (
        f"Step chart over {seconds(end_s)}: between {min(ready)} and {max(ready)} replicas are "
        f"ready, at most {max(started)} started; the peak of the demand is at {seconds(peak_s)}."
    )
    with sheet("replicas", title, told, 2.2) as drawing:
        axes = drawing.figure.subplots()
        axes.stairs(ready, edges, fill=True, color=SERIES[0], alpha=0.14)
        axes.stairs(ready, edges, color=SERIES[0], linewidth=1.7, label="ready")
        axes.stairs(started, edges, color=INK, linewidth=1.0, linestyle=DASHES[1],
                    label="started")  # fmt: skip
        axes.set(ylabel="replicas")
        axes.set_ylim(0, max(started) * 1.15)
        time_axis(axes, end_s)
        mark(axes, peak_s, "peak of the demand")
        axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.18))
    return Plot(title, told, drawing.svg)


def paid_sentence(raw: Mapping[str, Any]) -> str:
    """What they were paid for, and what the most all the time would be; '' for a fixed number."""
    scaling = raw.get("scaling")
    if not scaling:
        return ""
    paid, most, hours = scaling["replica_hours"], scaling["most_started"], scaling["hours"]
    held = WITHHELD if paid is None else count(paid)
    return (
        f"Replica-hours paid, starting and draining ones among them: {held} in {count(hours)} h; "
        f"{most} replicas all the time would be {count(most * hours)}."
    )
