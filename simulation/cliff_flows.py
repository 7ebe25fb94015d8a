"""A cliff where every point is a nation: by flows, with the edge held against full-size runs.

The fluid approximation says in milliseconds what is lost at a point, and is blind to chance near
the edge. So of the row that the question itself stands in, both sides of the edge can be simulated
at full size; what was simulated counts, and the edge moves where it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from simulation.cliff import Axis, Edge, Place, Point, edge_of
from simulation.fluid import fluid_of
from simulation.replication import Question


@dataclass(frozen=True)
class FlowPoint:
    """One point by flows: the share lost, and whether that is a collapse."""

    x: float
    y: float
    lost: float
    collapses: bool

    def to_json(self) -> dict[str, Any]:
        return {"x": self.x, "y": self.y, "lost": self.lost, "collapses": self.collapses}


@dataclass(frozen=True)
class FlowCliff:
    """``points`` row by row (the second axis); ``chosen``: the question's own place.

    ``full_size``: points of the chosen row that were simulated, which outweigh the flows.
    """

    over: Axis
    beside: Axis
    chosen: Place
    points: tuple[FlowPoint, ...]
    full_size: tuple[Point, ...] = ()

    @property
    def edge(self) -> Edge:
        """Where the cliff lies in the question's own row."""
        simulated = {point.x: point for point in self.full_size}
        row = [
            simulated.get(one.x, Point(one.x, one.y, (one.lost,), int(one.collapses)))
            for one in self.points
            if one.y == self.chosen[1]
        ]
        return edge_of(row, self.chosen[1], self.chosen[0])

    @property
    def confirmed(self) -> bool:
        """Whether both sides of the edge were simulated at full size."""
        sides = {self.edge.at, self.edge.safe}
        return sides <= {point.x for point in self.full_size}

    def with_full_size(self, points: Iterable[Point]) -> FlowCliff:
        """With more points of the chosen row simulated; later ones of a place replace earlier."""
        held = {point.x: point for point in self.full_size}
        held |= {point.x: replace(point, y=self.chosen[1]) for point in points}
        return replace(self, full_size=tuple(held[x] for x in sorted(held)))

    def to_json(self) -> dict[str, Any]:
        return {
            "method": "flows",
            "axes": [{"name": a.name, "values": list(a.values)} for a in (self.over, self.beside)],
            "points": [point.to_json() for point in self.points],
            "full_size": [point.to_json() for point in self.full_size],
            "edge": self.edge.to_json(),
            "confirmed": self.confirmed,
        }


def flow_cliff(question: Question, over: Axis, beside: Axis) -> FlowCliff:
    """The map by flows; the question's own values are among those of both axes."""
    chosen = over.of(question), beside.of(question)
    over, beside = (
        replace(axis, values=tuple(sorted({*axis.values, own})))
        for axis, own in zip((over, beside), chosen, strict=True)
    )
    points = []
    for y in beside.values:
        row = beside.applied(question, y)
        for x in over.values:
            found = fluid_of(over.applied(row, x))
            points.append(FlowPoint(x, y, found.lost / max(found.people, 1e-9), found.collapses))
    return FlowCliff(over, beside, chosen, tuple(points))
