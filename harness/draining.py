"""From a state to an answer in words: when is each line drained, its peak, and who gave up.

For people at the command line and for the report: both say the same sentences. They read the
``state`` of `surge/projection/1`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.tables import span

DAY_H: Final = 24.0
#: Campaigns that are shorter are told in minutes.
SHORT_H: Final = 2.0
ENDS: Final = ("first", "last")
LINES: Final = {
    "identity": ("The registry's queue", "checks"),
    "mail": ("The outbox", "mails"),
    "calls": ("The line of callers", "calls"),
}
ENDED: Final = {
    "finished": "came through",
    "awaiting_draw": "have joined and wait for the draw",
    "dropped_out": "left of their own accord",
    "turned_away": "were turned away",
    "open": "are still on their way at the horizon",
}


def moment(state: Mapping[str, Any], hour: float) -> str:
    """An hour of the campaign, with the day and the time on the local clock."""
    minutes = round((state["opens_h"] + hour) * 60)
    days, minute = divmod(minutes, round(DAY_H * 60))
    return f"{instant(hour)} (day {days + 1}, {minute // 60:02d}:{minute % 60:02d})"


def instant(hour: float) -> str:
    """An hour of the campaign; of its first two, minutes or seconds."""
    return f"hour {hour:,.2f}" if hour >= SHORT_H else f"{span(hour * 3600)} after the opening"


def answers(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, the answer) of every line."""
    for name, line in state["lines"].items():
        yield name, answer(state, name, line)


def answer(state: Mapping[str, Any], name: str, line: Mapping[str, Any]) -> str:
    """When a line is drained, or what that would take: one sentence, without its full stop."""
    what = f"{LINES[name][0]} of {line['carried']:,}"
    runs, drained = line["replications"], line["drained"]
    if line["drained_at_h"]:
        at_h = line["drained_at_h"]["mean"]
        said = f"{what} is drained at {moment(state, at_h)}"
        return f"{said}, {span((at_h - state['at_h']) * 3600)} from the state on"
    horizon = f"before the horizon, {moment(state, line['line']['hours'][-1])}"
    if drained:
        first, last = (moment(state, line[f"{end}_drained_at_h"]) for end in ENDS)
        return (
            f"{what} is drained in {drained} of {runs} replications, between {first} and {last}; "
            f"in the others not {horizon}; {_needed(name, line)}"
        )
    return f"{what} does not drain {horizon}; {_needed(name, line)}"


def _needed(name: str, line: Mapping[str, Any]) -> str:
    leave, needed = (f"{line[key]:,.3g}" for key in ("per_s", "needed_per_s"))
    return f"{leave} {LINES[name][1]} a second leave it, {needed} would be needed"


def interval(line: Mapping[str, Any]) -> str:
    """How sure the instant is, by the replications; '' of a line that is not always drained."""
    found = line["drained_at_h"]
    if not found:
        return ""
    if found["low"] is None:
        return "One replication: there is no interval; give --replications"
    low, high, first, last = (
        instant(hour)
        for hour in (found["low"], found["high"], *(line[f"{end}_drained_at_h"] for end in ENDS))
    )
    return (
        f"95 % interval of its mean: {low} to {high}; of {line['replications']} replications the "
        f"first drains it at {first}, the last at {last}"
    )


def peak(state: Mapping[str, Any], line: Mapping[str, Any]) -> str:
    """The longest that the line gets."""
    if line["peak"] <= line["carried"]:
        return f"It is never longer than the {line['carried']:,} that it began with"
    return f"Its peak is {line['peak']:,} at {moment(state, line['peak_at_h'])}"


def became(line: Mapping[str, Any]) -> str:
    """How many of those who stood in it gave up, and what became of the others."""
    gave_up = line["gave_up"]
    apart = (
        f" ({gave_up['least']:,} to {gave_up['most']:,})"
        if gave_up["most"] > gave_up["least"]
        else ""
    )
    others = [
        f"{round(line['endings'][name]):,} {words}"
        for name, words in ENDED.items()
        if round(line["endings"].get(name, 0))
    ]
    rest = f"; {', '.join(others)}" if others else ""
    many = f"{round(gave_up['mean']):,}"
    return f"Of the {line['carried']:,} who stood in it {many} gave up{apart}{rest}"


def details(state: Mapping[str, Any], line: Mapping[str, Any]) -> Iterator[str]:
    """What follows the answer, sentence by sentence."""
    yield from (f"{words}." for words in (interval(line), peak(state, line), became(line)) if words)
