"""How figures are written for people: rounded, with a unit, and never as a raw float."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

NOTHING: Final = "–"
#: A no-break space: a figure and its unit stay on one line.
GAP: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"


def seconds(value: float | None) -> str:
    """A duration, from seconds: `412 µs`, `6.94 ms`, `12.1 s`, `45 min`; infinity is never."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "never"
    if value == 0:
        return f"0{GAP}s"
    for below, factor, unit in (
        (1e-3, 1e6, "µs"),
        (1.0, 1e3, "ms"),
        (120.0, 1.0, "s"),
        (7200.0, 1 / 60, "min"),
        (172_800.0, 1 / 3600, "h"),
        (math.inf, 1 / 86_400, "d"),
    ):
        if value < below:
            return f"{digits(value * factor)}{GAP}{unit}"
    raise AssertionError(value)


def digits(value: float, significant: int = 3) -> str:
    """Rounded to three significant digits, without an exponent or a trailing zero."""
    if value == 0:
        return "0"
    decimals = significant - 1 - math.floor(math.log10(abs(value)))
    text = f"{round(value, decimals):,.{max(decimals, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def rate(value: float | None) -> str:
    """Events a second."""
    return NOTHING if value is None or math.isnan(value) else f"{digits(value)}/s"


def visitors(value: float | None) -> str:
    """Visitors a second, in words."""
    if value is None or math.isnan(value):
        return "an unknown load"
    return f"{digits(value)} visitors a second"


def count(value: float | None) -> str:
    """A whole number, with thousands set apart."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:,.0f}".replace("-", MINUS)


def share(value: float | None) -> str:
    """A share as a percentage. What is not all is never rounded to 100 %, nor something to 0 %."""
    if value is None or math.isnan(value):
        return NOTHING
    percent = value * 100
    decimals = 0 if percent in (0, 100) else 1
    while decimals < 4 and 0 < abs(percent) < 100 and round(percent, decimals) in (0, 100, -100):
        decimals += 1
    text = f"{percent:.{decimals}f}".replace("-", MINUS)
    return f"{text.removesuffix('.0')}{GAP}%"


def signed(value: float | None) -> str:
    """A signed relative difference: `+12 %`, `−3.4 %`."""
    if value is None or not math.isfinite(value):
        return NOTHING
    percent = value * 100
    decimals = 0 if abs(percent) >= 9.95 else 1
    text = f"{abs(percent):.{decimals}f}".removesuffix(".0")
    if float(text) == 0:
        return f"0{GAP}%"
    return f"{'+' if percent > 0 else MINUS}{text}{GAP}%"


def moment(unix_s: float) -> str:
    """An instant in universal time."""
    if unix_s <= 0:
        return NOTHING
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(number: int, noun: str) -> str:
    """`1 run`, `4 runs`, `2 processes`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def words(name: str) -> str:
    """A name of the house as people read it: `verify_email` is `verify email`."""
    return name.replace("_", " ")
