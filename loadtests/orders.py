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
from workload.wave_draw import WaveDraw

#: The variable in which a campaign gives the generator its orders, metrics and run directory.
GIVEN: Final = "SURGE_ORDERS"
#: What /capacity of a service that draws seats says: how many at most.
QUOTA: Final = "wave_quota"


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


def draw_of(orders: Orders) -> tuple[WaveDraw, float] | None:
    """The scenario's draw, and when its wave closes in seconds of the run; None without a draw."""
    draw, bending = orders.load().journey.draw, orders.bending
    return (draw, draw.closes_in_run_s(bending.window_s[0], bending.speed)) if draw else None


def has_waves(capacity: Mapping[str, Any]) -> bool:
    """Whether a target says that it closes waves and draws their seats."""
    return isinstance(capacity.get(QUOTA), int)


def check_draw(orders: Orders, capacity: Mapping[str, Any], token: str) -> None:
    """InputError when the run reaches the draw of a target that could not be made to draw so."""
    found = draw_of(orders)
    if found is None or not has_waves(capacity):
        return
    draw, closes_s = found
    if not 0 <= closes_s <= orders.window_s + orders.drain_s:
        return
    faults = []
    if not token:
        remedy = f"the wave closes {closes_s:g} s into this run, and only its operator may close it"
        faults.append(Fault("SURGE_ADMIN_TOKEN", "", f"{remedy}: set it as the service has it"))
    if draw.seats > capacity[QUOTA]:
        remedy = f"the target draws {capacity[QUOTA]} at most: give less, or start it with more"
        faults.append(Fault("draw.seats", draw.seats, f"{remedy} (SURGE_WAVE_QUOTA)"))
    if faults:
        raise InputError("draw", faults)
