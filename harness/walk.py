"""Reads what a verb was told to walk: the scenario on its seed, and how the run bends it."""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from loadtests.options import window_of
from workload.draws import seed_from
from workload.durations import LONGEST_S
from workload.errors import Fault, InputError
from workload.manifest import Bending
from workload.reader import number, seconds
from workload.scenario import Scenario, load_scenario

T = TypeVar("T")
#: More people than Indonesia has can't come; it keeps a slip of the finger out of the memory.
MOST_PEOPLE = 300_000_000


@dataclass(frozen=True)
class Walk:
    """A scenario on its seed, and how the run differs from it."""

    scenario: Scenario
    bending: Bending

    @property
    def is_bent(self) -> bool:
        """Whether the run is another one than the scenario describes."""
        return self.bending != Bending((0.0, self.scenario.curve.duration_s))


def read_walk(options: "Options") -> Walk:
    """The walk that the options stand for; faults in them stay with the options.

    Raises ScenarioError for a scenario that can't be used.
    """
    arguments = options.arguments
    scenario = load_scenario(arguments.scenario, arguments.reading)
    bending = Bending(
        window_s=options.window(scenario),
        thin=options.number("thin", 0, 1),
        population=options.number("population", 0, MOST_PEOPLE)
        if arguments.population is not None
        else None,
        speed=options.number("speed", 0, 1e6),
        pauses=options.number("pauses", 0, 1000, open_low=False),
    )
    if arguments.seed is not None:
        scenario = scenario.with_seed(options.seed())
    return Walk(scenario, bending)


def named(scenario: Scenario) -> dict[str, Any]:
    """How JSON outputs name a scenario."""
    return {
        "name": scenario.name,
        "fingerprint": scenario.fingerprint,
        "reading": scenario.reading,
    }


def by_reading(scenario: Scenario) -> str:
    """How people are told which reading of published figures was used; '' where there is none."""
    return f"reading {scenario.reading}, " if scenario.reading else ""


class Options:
    """Reads options that argparse kept as text, and remembers every fault in them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.faults: list[Fault] = []

    def parsed(self, name: str, parse: Callable[[str], T], otherwise: T) -> T:
        """An option by a parser that raises ValueError with the remedy."""
        text = getattr(self.arguments, name)
        try:
            return parse(text)
        except ValueError as error:
            self.fault(name, text, str(error))
            return otherwise

    def number(self, name: str, low: float, high: float, *, open_low: bool = True) -> float:
        """A number within bounds."""
        check = number(low, high, open_low=open_low)

        def parse(text: str) -> float:
            try:
                value = float(text)
            except ValueError:
                value = math.nan  # outside of every bound: the remedy is the same
            return check(value)

        return self.parsed(name, parse, 1.0)

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number within bounds."""

        def parse(text: str) -> int:
            fits = text.isascii() and text.isdecimal() and len(text) < 20
            if not fits or not low <= int(text) <= high:
                raise ValueError(f"write a whole number from {low} to {high}")
            return int(text)

        return self.parsed(name, parse, low)

    def seed(self) -> int:
        """The seed."""

        def parse(text: str) -> int:
            try:
                return seed_from(text)
            except ValueError:
                raise ValueError("write a whole number from 0 to 2**63 - 1") from None

        return self.parsed("seed", parse, 0)

    def span(self, name: str) -> float:
        """A span of time above 0, in seconds."""

        def parse(text: str) -> float:
            found = seconds(text)
            if not 0 < found <= LONGEST_S:
                raise ValueError(f"write a span above 0, up to {LONGEST_S:g} s")
            return found

        return self.parsed(name, parse, 1.0)

    def window(self, scenario: Scenario) -> tuple[float, float]:
        """A stretch of the scenario's curve, in seconds."""
        try:
            return window_of(self.arguments.window, scenario)
        except InputError as error:
            self.faults += [Fault("--window", fault.value, fault.remedy) for fault in error.faults]
            return 0.0, scenario.curve.duration_s

    def fault(self, name: str, value: object, remedy: str) -> None:
        self.faults.append(Fault(f"--{name.replace('_', '-')}", value, remedy))

    def done(self) -> None:
        """Raises InputError when anything was wrong."""
        if self.faults:
            raise InputError("options", self.faults)
