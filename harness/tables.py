"""Tables for people: on stderr, so that stdout stays free for what programs read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from workload.objective import Answer, Verdict

#: Where stderr is no terminal nobody's window sets a width; this one cuts nothing that matters.
WIDTH = 120
COLOURS = {Answer.MET: "green", Answer.MISSED: "red", Answer.UNKNOWN: "yellow"}
#: Below so many seconds: times this, in this unit.
UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (600.0, 1.0, "s"), (7200.0, 1 / 60, "min"))
SHARES = ("success", "collapse")


@dataclass(frozen=True)
class Column:
    """A heading; figures stand to the right, words to the left."""

    name: str
    figure: bool = True


def console() -> Console:
    """Of stderr as it is now: tests and shells exchange it."""
    screen = Console(stderr=True, highlight=False)
    return screen if screen.is_terminal else Console(stderr=True, highlight=False, width=WIDTH)


def show(
    title: str, columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], caption: str = ""
) -> None:
    """Print one table, and a line below it that may be wider."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        table.add_column(column.name, justify="right" if column.figure else "left")
    for row in rows:
        table.add_row(*(part if isinstance(part, Text) else Text(part) for part in row))
    screen = console()
    screen.print()
    screen.print(table)
    if caption:
        screen.print(Text(caption, style="italic"))


def say(*lines: str) -> None:
    """Lines as they are, without rich's markup."""
    screen = console()
    for line in lines:
        screen.print(Text(line), soft_wrap=True)


def span(seconds: float | None) -> str:
    """A duration as people say it: three digits and the unit that fits; – where there is none."""
    if seconds is None or not math.isfinite(seconds):
        return "never" if seconds == math.inf else "–"
    if seconds <= 0:
        return "0"
    for limit, factor, unit in UNITS:
        if seconds < limit:
            return f"{three_digits(seconds * factor)} {unit}"
    return f"{three_digits(seconds / 3600)} h"


def three_digits(value: float) -> str:
    """Three significant digits, never an exponent."""
    places = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{places}f}"


def count(value: float | None) -> str:
    """A whole number with separators."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.2%}"


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """One line an objective: met, missed or unknown, and by how much."""
    if not verdicts:
        say("", "The scenario states no objective: nothing is judged.")
        return
    columns = [Column("objective", figure=False), Column("verdict", figure=False), Column("value"),
               Column("margin"), Column("", figure=False)]  # fmt: skip
    show("Objectives", columns, (_verdict_row(verdict) for verdict in verdicts))


def _verdict_row(verdict: Verdict) -> list[str | Text]:
    shown = share if verdict.objective.kind in SHARES else span
    margin = f"{verdict.margin:+.0%}" if math.isfinite(verdict.margin) else "–"
    answer = Text(verdict.answer.value, style=COLOURS[verdict.answer])
    return [verdict.objective.text, answer, shown(verdict.value), margin, verdict.why]


def exit_code_of(verdicts: Iterable[Verdict]) -> int:
    """1 when an objective is missed, else 3 when one is unknown, else 0."""
    answers = {verdict.answer for verdict in verdicts}
    if Answer.MISSED in answers:
        return 1
    return 3 if Answer.UNKNOWN in answers else 0
