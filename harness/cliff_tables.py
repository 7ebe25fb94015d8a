"""A cliff: for people as a table and a sentence, for programs as `surge/cliff/1`."""

import argparse
from dataclasses import asdict
from typing import Any

from harness.progress import progress
from harness.projecting import MOST_AT_ONCE, Asked, workers
from harness.tables import Column, say, share, show
from harness.trust_tables import show_trust, widened_text
from harness.walk import Options, named
from simulation.cliff import Axis, CliffMap, Edge, Point, find_cliff, read_axis
from simulation.screen import Clock
from simulation.search import SETTINGS
from simulation.trust import Trust, trust_of
from workload.errors import Fault, InputError

MOST_POINTS = 2_000
PICTURES = (".svg", ".png")


def cliff_with_progress(asked: Asked, arguments: argparse.Namespace) -> CliffMap:
    """Replicate at every point; how far it is is shown. InputError for faulty options."""
    options = Options(arguments)
    clock = Clock(options.span("max_wall"))
    if arguments.output and arguments.output.suffix not in PICTURES:
        options.fault("output", str(arguments.output), f"end it in {' or '.join(PICTURES)}")
    options.done()
    over = read_axis("--over", arguments.over)
    beside = read_axis("--and", arguments.beside) if arguments.beside else None
    _check(over, beside, arguments)
    question = asked.question
    points = len(over.values) * (len(beside.values) if beside else 1)
    with (
        progress(f"mapping {points} points of {question.scenario.name}") as report,
        workers(arguments.executor, question, MOST_AT_ONCE, clock) as pool,
    ):
        return find_cliff(question, over, beside, clock, report, pool)


def _check(over: Axis, beside: Axis | None, arguments: argparse.Namespace) -> None:
    if beside and beside.name == over.name:
        fault = Fault("--and", arguments.beside, f"{over.name} is --over already: name another")
        raise InputError("options", [fault])
    points = len(over.values) * (len(beside.values) if beside else 1)
    if points > MOST_POINTS:
        remedy = f"{points} points; give at most {MOST_POINTS}"
        raise InputError("options", [Fault("--over", arguments.over, remedy)])


def exit_code_of(found: CliffMap) -> int:
    """1 where an edge is passed, 3 where there is none at all, else 0."""
    units = [edge.units for edge in found.edges if edge.units is not None]
    if not units:
        return 3 if any(point.two_peaked for point in found.points) else _one_colour(found)
    return 1 if min(units) <= 0 else 0


def _one_colour(found: CliffMap) -> int:
    """Safe everywhere, or nowhere."""
    return 1 if any(point.collapses for point in found.points) else 0


def cliff_json(asked: Asked, found: CliffMap) -> dict[str, Any]:
    """`surge/cliff/1`."""
    question = asked.question
    return {
        **found.to_json(),
        "answer": answer(found),
        "scenario": named(question.scenario),
        "deployment": question.deployment.to_json(),
        "bending": asdict(question.bending),
        "model": str(asked.model_file),
        "seed": question.scenario.seed,
        "trust": trust_of(question).to_json(),
    }


def show_cliff(asked: Asked, found: CliffMap) -> None:
    """Collapses of the replications at every point, and below what it says."""
    over, beside = found.over, found.beside
    columns = [Column(beside.name if beside else ""), *(Column(f"{x:g}") for x in over.values)]
    rows = [
        ["" if y is None else f"{y:g}", *(cell(found.at(x, y)) for x in over.values)]
        for y in (beside.values if beside else (None,))
    ]
    caption = (
        "Replications that collapse (more than 5 % lost) of all, and the share lost; where some "
        "collapse and some do not: of those that do not / of those that do."
    )
    of = asked.question.scenario
    read = f", reading {of.reading}" if of.reading else ""
    show(f"Collapse over {over.name}{read}", columns, rows, caption)
    say("", *(f"{sentence}." for sentence in sentences(found)))
    trust = trust_of(asked.question)
    say(*(text for edge in found.edges if (text := _edge_text(found, edge, trust))))
    show_trust(trust)


def _edge_text(found: CliffMap, edge: Edge, trust: Trust) -> str:
    """Where the edge may lie by the model's error; '' where it is of patience, not of capacity."""
    capacities = {"demand", *(one.name for one in SETTINGS)}
    if edge.at is None or edge.safe is None or found.over.name not in capacities:
        return ""
    low, high = sorted((edge.at, edge.safe))
    return widened_text(trust, f"  The model's error puts the edge of {found.over.name}", low, high)


def cell(point: Point) -> str:
    """Collapses of replications, and the share lost; never a mean across both outcomes."""
    row = point.to_json()
    of = f"{point.collapses}/{len(point.lost)}"
    if point.two_peaked:
        return f"{of} {row['lost_clean']:.0%}/{row['lost_collapsed']:.0%}"
    return f"{of} {row['lost']:.0%}"


def answer(found: CliffMap) -> str:
    """The map in one sentence: of the first row that holds an edge, else of the first."""
    edges = [edge for edge in found.edges if edge.units is not None]
    return _sentence(found, (edges or list(found.edges))[0])


def sentences(found: CliffMap) -> list[str]:
    """Where the edge is, row by row, and how far the scenario's own value is from it."""
    return [_sentence(found, edge) for edge in found.edges]


def _sentence(found: CliffMap, edge: Edge) -> str:
    name, beside = found.over.name, found.beside
    where = f"With {beside.name} {edge.y:g}: " if beside and edge.y is not None else ""
    row = [point for point in found.points if point.y == edge.y]
    if edge.at is None or edge.safe is None:
        safe = not any(point.collapses for point in row)
        low, high = found.over.values[0], found.over.values[-1]
        said = "no edge" if row[0].collapses == 0 and not safe else "safe" if safe else "collapses"
        return f"{where}{said} at every {name} from {low:g} to {high:g}"
    at = found.at(edge.at, edge.y)
    said = (
        f"{where}{name} {edge.at:g} collapses in {at.collapses} of {len(at.lost)} runs, "
        f"{edge.safe:g} in none"
    )
    if edge.units is None:
        return said
    side = "on the safe side" if edge.units > 0 else "beyond the edge"
    away = f"{abs(edge.units):g} ({share(abs(edge.units) / edge.chosen)})" if edge.chosen else "0"
    return f"{said}; {edge.chosen:g} is {away} {side}"
