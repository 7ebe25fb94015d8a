"""A backtest for people: what was fitted, what can't be told, and how the later snapshots came."""

import math
from collections.abc import Iterator, Sequence

from harness.tables import Column, count, say, share, show, span, three_digits
from simulation.backtest import Backtest, Prediction, Told
from simulation.flow import p95_of
from simulation.flow_fit import SATURATED, TOLERANCE
from workload.errors import Fault, InputError
from workload.reader import number, seconds

IN_WORDS = {
    "saturated_registry": "a registry that is never idle",
    "constant_share": "a constant share, and no limit",
    "share_and_registry": "a constant share, until the registry is full",
}


def hours_from(text: str) -> float:
    """Hours as people write them: 21, or a span such as 21h; InputError otherwise."""
    try:
        hours = float(text)
    except ValueError:
        try:
            hours = seconds(text) / 3600
        except ValueError:
            hours = math.nan
    try:
        return number(0, open_low=True)(hours)
    except ValueError as error:
        remedy = "write hours above 0, such as 21 or 21h"
        raise InputError("options", [Fault("--fit-until", text, remedy)]) from error


def show_backtest(found: Backtest) -> None:
    """The fits, their predictions, and last what they say of the registry."""
    show_fits(found)
    for told in found.told:
        show_counts(f"Fitted: {IN_WORDS[told.fit.name]}", told.fitted)
        show_counts(f"Predicted: {IN_WORDS[told.fit.name]}", told.predictions)
    say("", *verdict(found))


def show_fits(found: Backtest) -> None:
    columns = [Column("fit", figure=False), Column("mail verified"), Column("identity verified"),
               Column("registry"), Column("join"), Column("pause before (p50, p95)"),
               Column("deviation")]  # fmt: skip
    caption = f"Fitted on snapshots up to {found.fit_until_h:g} h. Deviation: of identity verified."
    show("Fits", columns, (_fit_row(told) for told in found.told), caption)


def _fit_row(told: Told) -> list[str]:
    fit = told.fit
    pause = f"{span(fit.join_median_s)}, {span(p95_of(fit.join_median_s, fit.join_sigma))}"
    limit = math.isfinite(fit.registry_per_s)
    return [
        IN_WORDS[fit.name],
        share(fit.email_share),
        "not told" if fit.name == SATURATED else share(fit.identity_share),
        f"{three_digits(fit.registry_per_s)}/s" if limit else "no limit",
        share(fit.join_share),
        pause if math.isfinite(fit.join_median_s) else "–",
        share(fit.deviation),
    ]


def show_counts(title: str, rows: Sequence[Prediction]) -> None:
    columns = [Column("hours"), Column("measure", figure=False), Column("published"),
               Column("model"), Column("between"), Column("and"), Column("error")]  # fmt: skip
    if rows:
        show(title, columns, (_count_row(row) for row in rows))


def _count_row(row: Prediction) -> list[str]:
    error = f"{row.error:+.1%}" if math.isfinite(row.error) else "–"
    return [f"{row.hours:g}", row.measure.replace("_", " "), count(row.published),
            count(row.predicted), count(row.low), count(row.high), error]  # fmt: skip


def verdict(found: Backtest) -> Iterator[str]:
    """Whether the registry set the pace, in words."""
    if found.saturated:
        yield "saturated: registry_client. It set the pace: counts follow its rate, not demand."
    elif found.saturated is not None:
        yield "saturated: none. Identities verified are a constant share of who asked."
    elif all(told.fit.deviation < TOLERANCE for told in found.told):
        yield "saturated: unknown. These snapshots fit a saturated registry and a constant share."
    else:
        yield "saturated: unknown. No fit describes these snapshots; the closest is told first."
    if len(found.told) > 1 and any(math.isfinite(told.later_error) for told in found.told):
        kind = found.supported
        yield (
            f"Later snapshots support {IN_WORDS[kind]}." if kind else
            "Later snapshots support neither."
        )  # fmt: skip
    if not found.predictions:
        yield "No snapshot is later: nothing was predicted."
