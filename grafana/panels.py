"""Panels as plain data, and how Grafana wants them: one look, one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
#: Grafana's grid is 24 columns wide.
COLUMNS: Final = 24
HEIGHT: Final = 8

# Grafana's words for units.
SECONDS: Final = "s"
PER_SECOND: Final = "reqps"
EVENTS: Final = "cps"
SHARE: Final = "percentunit"
COUNT: Final = "short"


@dataclass(frozen=True)
class Line:
    """A query, and the name of the series that it gives."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """``says``: what question it answers. ``width`` in columns of 24.

    ``limit``: from there on a number is red; it counts for numbers only.
    """

    title: str
    unit: str
    says: str
    lines: Sequence[Line]
    width: int = 8
    kind: Literal["lines", "stacked", "number"] = "lines"
    limit: float = 0.0


Built = timeseries.Panel | stat.Panel


def built(panel: Panel, number: int) -> Built:
    """The panel as Grafana reads it; ``number`` is its id on the dashboard."""
    made = _number(panel) if panel.kind == "number" else _graph(panel)
    made = made.id(number).title(panel.title).description(panel.says).unit(panel.unit)
    made = made.datasource(DATASOURCE).span(panel.width)
    for place, line in enumerate(panel.lines):
        made = made.with_target(_query(line, chr(ord("A") + place), now=panel.kind == "number"))
    return made


def _query(line: Line, name: str, *, now: bool) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(line.expr).legend_format(line.legend).ref_id(name)
    query = query.datasource(DATASOURCE)
    return query.instant() if now else query.range()


def _graph(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE)
    legend = legend.placement(LegendPlacement.BOTTOM).show_legend(show_legend=True)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    made = timeseries.Panel().height(HEIGHT).min(0).show_points(VisibilityMode.NEVER)
    made = made.legend(legend.calcs(["mean", "max"])).tooltip(tooltip).line_width(1)
    if panel.kind == "stacked":
        stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
        return made.stacking(stacking).fill_opacity(60)
    return made.fill_opacity(0)


def _number(panel: Panel) -> stat.Panel:
    steps = [Threshold(color="green", value=None), Threshold(color="red", value=panel.limit)]
    thresholds = ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    made = stat.Panel().height(HEIGHT // 2).graph_mode(BigValueGraphMode.NONE)
    made = made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return made.thresholds(thresholds).no_value("no data")
