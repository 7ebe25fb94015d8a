"""[opening] as TOML writes it: a policy and its groups.

Whom no group names comes when the doors open; whom two groups name is a fault. So everybody comes
exactly once, whatever the table leaves out.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from workload.durations import LONGEST_S
from workload.opening import EVERYONE, POLICIES, Opening
from workload.population import BIRTH_DAYS, FIRST_BIRTH, PROVINCES, Population
from workload.reader import Reader, number, one_of, seconds

NAMING: Final = {
    "by-province": 'provinces = ["Bali"]',
    "by-birth-date": "years = [1956, 1975] or days = [1, 15]",
    "waves": "share = 0.25",
}
LAST_BIRTH: Final = FIRST_BIRTH + dt.timedelta(days=BIRTH_DAYS - 1)


def read_opening(reader: Reader, people: Population | None) -> Opening | None:
    """[opening]: who is let in when, or None after a fault in it or in the people."""
    before = len(reader.faults)
    policy = reader.take("policy", one_of(*POLICIES), "everyone") or ""
    written = bool(reader.table.get("groups"))
    groups = reader.children("groups") if "groups" in reader.table else []
    reader.done(also=("groups",))
    if policy == "everyone" and written:
        reader.fault("groups", f"{len(groups)} groups", "leave them out, or write another policy")
    elif policy in NAMING and not written:
        example = NAMING[policy]
        reader.fault("groups", [], f'add one: [[opening.groups]] opens = "12h", {example}')
    if len(reader.faults) > before or not people:
        return None
    if policy == "everyone":
        return EVERYONE
    opening = {"by-province": _by_province, "by-birth-date": _by_birth_date, "waves": _waves}[
        policy
    ](groups, people)
    return opening if len(reader.faults) == before else None


def _opens_us(group: Reader) -> int:
    """When a group is let in, in whole microseconds after the doors open."""
    return round((group.take("opens", _moment) or 0.0) * 1e6)


def _moment(value: Any) -> float:
    found = seconds(value)
    if found > LONGEST_S:
        raise ValueError(f"write a span up to {LONGEST_S:g} s, such as '12h'")
    return found


def _by_province(groups: Sequence[Reader], people: Population) -> Opening:
    """Each group names provinces."""
    delays: dict[str, int] = {}
    codes = {name: code for code, name in PROVINCES.items()}
    for group in groups:
        opens_us = _opens_us(group)
        for name in group.take("provinces", _provinces) or ():
            if codes[name] in delays:
                group.fault("provinces", name, "name each province in one group only")
            delays[codes[name]] = opens_us
        group.done()
    weights = [people.provinces[code] for code in people.codes]
    shares = tuple(weight / math.fsum(weights) for weight in weights)
    delays_us = tuple(delays.get(code, 0) for code in people.codes)
    return Opening("by-province", delays_us, shares, people)


def _provinces(value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise ValueError('write a list of provinces: ["Bali", "Banten"]')
    for name in value:
        if name not in PROVINCES.values():
            near = difflib.get_close_matches(str(name), PROVINCES.values(), n=1)
            raise ValueError(f"{name!r} is no province" + (f"; write `{near[0]}`" if near else ""))
    return value


def _by_birth_date(groups: Sequence[Reader], _: Population) -> Opening:
    """Each group names years of birth, or days of the month of birth."""
    delays: list[int | None] = [None] * BIRTH_DAYS
    for group in groups:
        opens_us = _opens_us(group)
        by = "days" if group.has("days") else "years"
        low, high = (1, 31) if by == "days" else (FIRST_BIRTH.year, LAST_BIRTH.year)
        span = group.take(by, _span(low, high))
        group.done(also=("years",))
        if group.has("days") and group.has("years"):
            group.fault("days", group.table["days"], "write years or days, not both")
        elif span:
            named = [at for at, own in enumerate(_born(by)) if span[0] <= own <= span[1]]
            if any(delays[at] is not None for at in named):
                group.fault(by, list(span), "name each date of birth in one group only")
            for at in named:
                delays[at] = opens_us
    shares = (1.0 / BIRTH_DAYS,) * BIRTH_DAYS
    return Opening("by-birth-date", tuple(delay or 0 for delay in delays), shares)


@cache
def _born(by: str) -> tuple[int, ...]:
    """Year, or day of the month, of each day on which anybody is born."""
    dates = (FIRST_BIRTH + dt.timedelta(days=day) for day in range(BIRTH_DAYS))
    return tuple(date.day if by == "days" else date.year for date in dates)


def _span(low: int, high: int) -> Callable[[Any], tuple[int, int]]:
    """A parser for two whole numbers, the first and the last of a span."""

    def parse(value: Any) -> tuple[int, int]:
        pair = isinstance(value, list) and len(value) == 2
        if not pair or not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
            raise ValueError(f"write the first and the last: [{low}, {high}]")
        if not low <= value[0] <= value[1] <= high:
            raise ValueError(f"write two ascending whole numbers from {low} to {high}")
        return value[0], value[1]

    return parse


def _waves(groups: Sequence[Reader], _: Population) -> Opening:
    """Each group is a share of all, drawn."""
    delays, shares = [0], [0.0]
    for group in groups:
        delays.append(_opens_us(group))
        shares.append(group.take("share", number(0, 1, open_low=True)) or 0.0)
        group.done()
    total = math.fsum(shares)
    if total > 1 + 1e-9 and groups:
        remedy = f"the shares of all groups add up to {total:g}; at most 1 can come"
        groups[-1].fault("share", shares[-1], remedy)
    shares[0] = max(0.0, 1.0 - total)
    return Opening("waves", tuple(delays), tuple(shares))
