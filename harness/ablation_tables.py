"""The table of `surge verify --ablate`: every step's error with each element taken out."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from harness.ablation import SCORED, WHOLE, Ablated
from harness.agreement_tables import signed
from harness.tables import Column, say, show

#: A score that differs by less than this says nothing: luck moves it as far.
LITTLE = 0.005


def show_ablation(offered_per_s: float, every: Sequence[Ablated]) -> None:
    """One held-out level: a table for each percentile, and what buys nothing."""
    whole = every[0]
    for metric in SCORED:
        steps = [row.step for row in whole.rows if row.metric == metric]
        columns = [Column("without", figure=False), *(Column(step) for step in steps)]
        columns += [Column("saturation"), Column("worse by")]
        show(
            f"Error of {metric.removesuffix('_s')} at {offered_per_s:,.0f} visitors/s, held out",
            columns,
            (list(_cells(one, whole, metric, steps)) for one in every),
            "Worse by: mean |log(predicted / measured)| over the steps' p50 and p95, less that of "
            "the whole model. What stands in an element's place: --json.",
        )
    idle = [one.element for one in every[1:] if one.score - whole.score < LITTLE]
    if idle:
        say(f"at this level nothing is lost without: {', '.join(idle)}")


def _cells(one: Ablated, whole: Ablated, metric: str, steps: Sequence[str]) -> Iterator[str | Text]:
    errors = {row.step: row.error for row in one.rows if row.metric == metric}
    yield Text(one.element, style="bold" if one.element == WHOLE else "")
    for step in steps:
        yield signed(errors[step]) if step in errors else "–"
    yield signed(one.saturation_error)
    worse = one.score - whole.score
    yield "" if one is whole else Text(f"{worse:+.3f}", style="" if worse >= LITTLE else "dim")
