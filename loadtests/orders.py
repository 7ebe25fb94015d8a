"""What a worker is told: which visitors of which scenario come when, and where they go.

The master writes the orders, each worker gets the same ones and its place among the workers. They
travel as plain data, so a worker on another host needs neither the scenario's file nor options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from loadtests.protocol import DEFAULT
from workload.errors import Fault, InputError
from workload.manifest import Bending
from workload.scenario import Scenario, scenario_from

#: The variable in which a campaign gives the generator its orders, metrics and run directory.
GIVEN: Final = "SURGE_ORDERS"


@dataclass(frozen=True)
class Orders:
    """``scenario``: a table as in TOML; ``mailbox``: URL or ''; ``drain_s``: after the window."""

    scenario: Mapping[str, Any]
    reading: str
    bending: Bending
    target: str
    mailbox: str = ""
    protocol: str = DEFAULT
    headers: Mapping[str, str] = field(default_factory=dict)
    drain_s: float = 60.0

    def plain(self) -> dict[str, Any]:
        """As dicts and lists of plain values."""
        return asdict(self)

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `plain`."""
        bending = dict(plain["bending"])
        bending["window_s"] = tuple(bending["window_s"])
        return cls(**{**plain, "bending": Bending(**bending)})

    def load(self) -> Scenario:
        """The scenario, with the curve rescaled to the population that was asked for."""
        scenario = scenario_from(self.scenario, "the orders", self.reading or None)
        people = self.bending.population
        return scenario.with_population(people) if people else scenario

    @property
    def window_s(self) -> float:
        """How long visitors come, in seconds of the run."""
        start, end = self.bending.window_s
        return (end - start) / self.bending.speed


def check_mailbox(orders: Orders) -> None:
    """InputError when steps wait for mail and nobody says where it can be read."""
    waits = [step.name for step in orders.load().journey.steps if step.mail != "none"]
    if waits and not orders.mailbox:
        remedy = f"{', '.join(waits)} wait for mail: give --mailbox URL, or name it in /capacity"
        raise InputError("mailbox", [Fault("mailbox", "", remedy)])
