"""A what-if on the same luck: for people as a table, for programs as `against` of a projection."""

from dataclasses import replace

from harness.projecting import Asked, project_with_progress
from harness.tables import Column, say, share, show, span, three_digits
from simulation.pairing import REPLICA_HOURS, Difference, Pairing, changed
from simulation.projection import Projection
from simulation.screen import Clock
from workload.errors import Fault, InputError, InvalidRunError

#: Pairs below which no interval says anything.
FEWEST = 2


def pair_with_progress(
    asked: Asked,
    projection: Projection,
    pairs: list[str],
    executor: str,
    clock: Clock | None = None,
) -> Pairing:
    """The same seeds again, with the settings changed; how far it is is shown.

    When the clock runs out, the seeds that were done in both worlds.
    """
    if asked.question.replications < FEWEST:
        remedy = f"a difference needs an interval: give at least {FEWEST}"
        fault = Fault("--replications", asked.question.replications, remedy)
        raise InputError("options", [fault])
    question = replace(changed(asked.question, pairs), trace=False)
    other = project_with_progress(question, executor, clock)
    both = {one.seed for one in projection.replications} & {one.seed for one in other.replications}
    if not both:
        raise InvalidRunError("no replication ended in both worlds: give a longer --max-wall")
    return Pairing(_only(projection, both), _only(other, both), tuple(pairs))


def _only(found: Projection, seeds: set[int]) -> Projection:
    held = tuple(one for one in found.replications if one.seed in seeds)
    return replace(found, replications=held)


def show_pairing(found: Pairing) -> None:
    """Differences with intervals, what pairing saved, and who collapses in which world."""
    columns = [Column("", figure=False), Column("as asked"), Column("changed"),
               Column("difference"), Column("95 % interval"), Column("variance saved")]  # fmt: skip
    rows = [_row(one) for one in found.differences()]
    what = ", ".join(found.settings)
    caption = (
        f"{len(found.comparable)} of {len(found.first.replications)} pairs of replications on the "
        "same luck. Variance saved: so many times as many seeds it would take without pairing."
    )
    if len(found.comparable) < len(found.first.replications):
        caption += " Pairs in which a world collapses are left out: no mean across two outcomes."
    show(f"What if {what}?", columns, rows, caption)
    counts = found.collapses()
    say(
        "",
        f"Collapse: {counts['both']} seeds in both worlds, {counts['only_first']} only as asked, "
        f"{counts['only_second']} only with {what}, {counts['neither']} in neither.",
    )
    saved = [one.saved for one in found.differences() if one.saved]
    if saved:
        middle = sorted(saved)[len(saved) // 2]
        say(f"Pairing saved ×{three_digits(middle)} of the variance (median over the figures).")


def _row(one: Difference) -> list[str]:
    shown = {"lost": share, REPLICA_HOURS: three_digits}.get(one.name, span)

    def signed(value: float) -> str:
        return f"{'−' if value < 0 else '+'}{shown(abs(value))}"

    return [
        one.name, shown(one.first), shown(one.second), signed(one.difference),
        f"{signed(one.low)} … {signed(one.high)}",
        "–" if one.saved is None else f"×{three_digits(one.saved)}",
    ]  # fmt: skip
