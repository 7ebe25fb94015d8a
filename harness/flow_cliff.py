"""A cliff by flows with its edge held against full-size runs: reckoned, told, and as JSON."""

import math
from dataclasses import replace
from typing import Any

from harness.progress import progress
from harness.projecting import workers
from harness.tables import Column, say, share, show
from simulation.cliff import Axis, Point, find_cliff
from simulation.cliff_flows import FlowCliff, FlowPoint, flow_cliff
from simulation.projection import Projection, Question
from simulation.screen import Clock


def flow_cliff_with_progress(
    question: Question, over: Axis, beside: Axis, projection: Projection, *, sides: bool
) -> FlowCliff:
    """The map, with the projection as one full-size point.

    ``sides``: whether there is time for a run on both sides of the edge; else it is that of the
    flows, which is said.
    """
    found = flow_cliff(question, over, beside)
    lost = tuple(one.lost_share for one in projection.replications)
    own = Point(found.chosen[0], None, lost, projection.collapses)
    found = found.with_full_size([own])
    edge = found.edge
    if edge.at is None or edge.safe is None:
        return found
    if not sides:
        say("there is no time left to hold the edge of the cliff against full-size runs")
        return found
    values = tuple(sorted({edge.at, edge.safe} - {found.chosen[0]}))
    alone, clock = replace(question, replications=1), Clock(math.inf)
    what = f"simulating {over.name} {' and '.join(f'{x:g}' for x in values)}, beside the cliff"
    with progress(what) as report, workers("threads", alone, len(values), clock) as pool:
        held = find_cliff(alone, replace(over, values=values), None, clock, report, pool)
    return found.with_full_size(held.points)


def flow_cliff_json(found: FlowCliff) -> dict[str, Any]:
    """`cliff` of a projection: the map, and what it says in a sentence."""
    return {**found.to_json(), "answer": answer(found)}


def show_flow_cliff(found: FlowCliff) -> None:
    """The share lost at every point, and how far the question's own is from the edge."""
    columns = [Column(found.beside.name), *(Column(f"{x:g}") for x in found.over.values)]
    at = {(point.x, point.y): point for point in found.points}
    simulated = {(point.x, found.chosen[1]): point for point in found.full_size}
    rows = [
        [f"{y:g}", *(_cell(at[x, y], simulated.get((x, y))) for x in found.over.values)]
        for y in found.beside.values
    ]
    caption = (
        "Share of the people lost, by flows; above 5 % it is a collapse (!). With m/n: of n "
        "full-size runs m collapse."
    )
    show(f"The cliff over {found.over.name}", columns, rows, caption)
    say("", f"{answer(found)}.")


def _cell(point: FlowPoint, runs: Point | None) -> str:
    said = f"{point.lost:.0%}{'!' if point.collapses else ''}"
    return f"{said} {runs.collapses}/{len(runs.lost)}" if runs else said


def answer(found: FlowCliff) -> str:
    """How far the question's own value is from the edge, in units and per cent, and who says so."""
    name, edge, own = found.over.name.replace("_", " "), found.edge, found.chosen[0]
    if edge.at is None or edge.safe is None or edge.units is None:
        collapses = any(p.collapses for p in found.points if p.y == found.chosen[1])
        low, high = found.over.values[0], found.over.values[-1]
        said = "it collapses" if collapses else "no collapse"
        return f"No edge of the cliff at {name} from {low:g} to {high:g}: {said}"
    side = "on the safe side of the cliff" if edge.units > 0 else "beyond the edge of the cliff"
    if edge.units == 0:
        side = "on the edge of the cliff"
    away = f" is {abs(edge.units):g} ({share(abs(edge.units) / own)}) {side}"
    return f"{name} {own:g}{away}: {edge.at:g} collapses, {edge.safe:g} does not ({_who(found)})"


def _who(found: FlowCliff) -> str:
    """Who says where the edge is."""
    simulated = {point.x for point in found.full_size} & {found.edge.at, found.edge.safe}
    if found.confirmed:
        return "full-size runs on both sides"
    return "one side by flows alone" if simulated else "by flows alone"
