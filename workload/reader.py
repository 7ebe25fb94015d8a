"""Reads a nested table and remembers every fault, so that a person hears of all of them at once."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from workload.errors import Fault

T = TypeVar("T")
SPAN: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)\s*$")
SPAN_S: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: object) -> float:
    """'90s', '2m', '65h', '250ms' or a bare number of seconds, as seconds; ValueError otherwise."""
    if isinstance(text, int | float) and not isinstance(text, bool) and 0 <= text < math.inf:
        return float(text)
    found = SPAN.match(text) if isinstance(text, str) else None
    if not found:
        raise ValueError("write a span such as '30s', '2m' or '65h'")
    return float(found[1]) * SPAN_S[found[2]]


def clock_hours(text: object) -> float:
    """'19:30' as 19.5; ValueError otherwise."""
    found = re.match(r"^([01]?\d|2[0-3]):([0-5]\d)$", str(text))
    if not found:
        raise ValueError("write a time of day such as '19:00'")
    return int(found[1]) + int(found[2]) / 60


class Reader:
    """A table under a key path. `take` each key once; `done` complains of those nobody took.

    ``filled`` gathers what was taken, as written, with the defaults of what was not written.
    """

    def __init__(
        self, table: Mapping[str, Any], path: str = "", faults: list[Fault] | None = None
    ) -> None:
        self.table = table
        self.path = path
        self.faults: list[Fault] = [] if faults is None else faults
        self.filled: dict[str, Any] = {}
        self._taken: set[str] = set()

    def key(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def fault(self, name: str, value: object, remedy: str) -> None:
        self.faults.append(Fault(self.key(name), value, remedy))

    def take(
        self,
        name: str,
        parse: Callable[[Any], T],
        default: T | None = None,
        *,
        written: object = None,
    ) -> T | None:
        """The parsed value of a key, its default when absent, None after a fault.

        ``parse`` raises ValueError with the remedy. A key without default must be there.
        ``written``: the default as TOML has it, where that differs from what is parsed.
        """
        self._taken.add(name)
        if name not in self.table:
            if default is None:
                self.fault(name, None, f"this key is missing; {_what_to_write(parse)}")
            else:
                self.filled[name] = default if written is None else written
            return default
        self.filled[name] = self.table[name]
        try:
            return parse(self.table[name])
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            self.fault(name, self.table[name], str(error))
            return None

    def has(self, name: str) -> bool:
        return name in self.table

    def child(self, name: str) -> Reader:
        """The table under a key (empty when absent)."""
        self._taken.add(name)
        value = self.table.get(name, {})
        if not isinstance(value, Mapping):
            self.fault(name, value, f"write a table: [{self.key(name)}]")
            value = {}
        child = Reader(value, self.key(name), self.faults)
        self.filled[name] = child.filled
        return child

    def children(self, name: str) -> list[Reader]:
        """The tables of an array of tables."""
        self._taken.add(name)
        value = self.table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
            self.fault(name, value, f"write an array of tables: [[{self.key(name)}]]")
            return []
        found = [Reader(v, f"{self.key(name)}[{at}]", self.faults) for at, v in enumerate(value)]
        self.filled[name] = [child.filled for child in found]
        return found

    def leave(self, name: str) -> None:
        """A key that somebody else has dealt with."""
        self._taken.add(name)

    def done(self, also: Iterable[str] = ()) -> None:
        """A key that nobody asked for is a fault, with the nearest known one as the remedy."""
        known = self._taken | set(also)
        for name in self.table:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = (
                    f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(known))}"
                )
                self.fault(name, self.table[name], f"unknown key; {hint}")


def _what_to_write(parse: Callable[[Any], object]) -> str:
    """The remedy that a parser has for what is no value at all."""
    try:
        parse(None)
    except ValueError as error:
        return str(error)
    except (TypeError, KeyError, AttributeError):
        pass
    return "add it"


def number(
    low: float = 0.0, high: float = math.inf, *, open_low: bool = False
) -> Callable[[Any], float]:
    """A parser for a number within bounds."""
    above = f"above {low:g}" if open_low else f"from {low:g}"
    remedy = f"write a number {above}" + (f" to {high:g}" if high != math.inf else "")

    def parse(value: Any) -> float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        inside = fits and low <= value <= high and value != math.inf
        if not inside or (open_low and value == low):
            raise ValueError(remedy)
        return float(value)

    return parse


def whole(low: int = 0, high: int = 2**63 - 1) -> Callable[[Any], int]:
    """A parser for a whole number within bounds."""
    remedy = f"write a whole number from {low}" + (f" to {high}" if high < 2**62 else "")

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(remedy)
        return value

    return parse


def text(value: Any) -> str:
    """A parser for text."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("write some text in quotes")
    return value


def prose(value: Any) -> str:
    """A parser for text that may be empty."""
    if isinstance(value, str):
        return value
    raise ValueError("write some text in quotes, or leave this key out")


def flag(value: Any) -> bool:
    """A parser for true and false."""
    if value is True or value is False:
        return bool(value)
    raise ValueError("write true or false")


def one_of(*choices: str) -> Callable[[Any], str]:
    """A parser for one of several words."""
    remedy = f"write one of {', '.join(choices)}" if len(choices) > 1 else f'write "{choices[0]}"'

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(remedy)
        return str(value)

    return parse
