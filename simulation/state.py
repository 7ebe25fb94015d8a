"""A measured state: what stands in which line at one instant of a campaign (`surge/state/1`).

    schema = "surge/state/1"
    at = "14h"                  # since the doors opened, or the first "14:00" on the local clock
    identity_queued = 266_000   # checks in the registry's queue
    identity_age = "8h50m"      # how long the first of them has waited

`load_state` holds it against the scenario and the deployment that it is to go on in, and reports
every fault at once. An age that is left out follows from the scenario: those who wait are the last
who came.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from simulation import layout as at
from simulation.deployment import Deployment
from workload.durations import LONGEST_S, SECOND_NS
from workload.errors import Fault, InputError
from workload.journey import Journey
from workload.reader import Reader, clock_hours, one_of, seconds, text, whole
from workload.scenario import Scenario
from workload.summary import CHECKPOINT_STEPS

SCHEMA_NAME: Final = "surge/state/1"
MOST: Final = 300_000_000
#: The lines that a state may name, in the order of the kernel's: how many stand in each.
QUEUES: Final = ("identity_queued", "mail_queued", "callers_waiting")
#: The step that those in a line are before, and the one that brought them there.
STEP_OF: Final = {
    "identity_queued": ("await_identity", "submit_identity"),
    "mail_queued": ("verify_email", "register"),
}
AGE_OF: Final = {"identity_queued": "identity_age", "mail_queued": "mail_age"}


@dataclass(frozen=True)
class Carried:
    """Visitors from index ``first`` on who stand in a line at time 0: checks, then mails, then
    callers. ``ages_ns``: how long the first check and the first mail had waited.
    """

    first: int
    counts: tuple[int, int, int]
    ages_ns: tuple[int, int]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def cells(self, journey: Journey) -> dict[int, int]:
        """The numbers by which the kernel places them."""
        names = journey.step_names
        steps = [names.index(step) if step in names else 0 for step, _ in STEP_OF.values()]
        return {
            at.C_CARRIED_FIRST: self.first,
            at.C_CARRIED_CHECKS: self.counts[at.CHECKS],
            at.C_CARRIED_MAILS: self.counts[at.MAIL],
            at.C_CHECK_AGE: self.ages_ns[at.CHECKS],
            at.C_MAIL_AGE: self.ages_ns[at.MAIL],
            at.C_AWAIT_STEP: steps[at.CHECKS],
            at.C_VERIFY_STEP: steps[at.MAIL],
            at.C_DRAINED_CHECKS: at.NONE,
            at.C_DRAINED_MAILS: at.NONE,
            at.C_DRAINED_CALLS: at.NONE,
            at.C_FOLLOWS: 1,
        }


@dataclass(frozen=True)
class State:
    """``at_s``: since the doors opened. ``counts``: who waits, as in QUEUES. ``ages_s``: of the
    first check and the first mail. ``done``: cumulative counts by checkpoint column, those known.
    """

    at_s: float
    counts: tuple[int, int, int]
    ages_s: tuple[float, float] = (0.0, 0.0)
    done: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many wait."""
        return sum(self.counts)

    def carried(self, first: int) -> Carried:
        """Those who wait, as visitors from an index on."""
        check_ns, mail_ns = (round(age * SECOND_NS) for age in self.ages_s)
        return Carried(first, self.counts, (check_ns, mail_ns))

    def to_json(self) -> dict[str, Any]:
        """As it was read, ages that were left out among it."""
        return {
            "at_h": self.at_s / 3600,
            **dict(zip(QUEUES, self.counts, strict=True)),
            "identity_age_s": self.ages_s[at.CHECKS],
            "mail_age_s": self.ages_s[at.MAIL],
            "done": dict(self.done),
        }


def load_state(path: Path, scenario: Scenario, deployment: Deployment) -> State:
    """The state in a TOML file, to go on in this scenario and deployment; InputError with every
    fault of it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fault = Fault("file", path.name, f"not valid TOML: {error}")
        raise InputError(f"state {path.name}", [fault]) from error
    except OSError as error:
        fault = Fault("--from-state", str(path), f"it can't be read: {error.strerror}")
        raise InputError("options", [fault]) from error
    reader = Reader(table)
    reader.take("schema", one_of(SCHEMA_NAME))
    state = _read(reader, scenario, deployment)
    reader.done(also=("schema", "why", *QUEUES, *AGE_OF.values(), *CHECKPOINT_STEPS))
    if reader.faults:
        raise InputError(f"state {path.name}", reader.faults)
    return state


def _read(reader: Reader, scenario: Scenario, deployment: Deployment) -> State:
    at_s = reader.take("at", lambda value: _instant(value, scenario.opens_h))
    counts = tuple(reader.take(name, whole(0, MOST), 0) or 0 for name in QUEUES)
    if not any(reader.has(name) for name in QUEUES):
        reader.fault("identity_queued", None, f"name who waits, by one of: {', '.join(QUEUES)}")
    ages: dict[str, float] = {}
    for queue, name in AGE_OF.items():
        if reader.has(name):
            found = reader.take(name, _age)
            ages[queue] = found or 0.0
            if found is not None and at_s is not None and found > at_s:
                remedy = "nobody waits for longer than the doors have been open: at most `at`"
                reader.fault(name, table_value(reader, name), remedy)
    done = {name: reader.take(name, whole(0, MOST)) for name in CHECKPOINT_STEPS
            if reader.has(name)}  # fmt: skip
    known = {name: count for name, count in done.items() if count is not None}
    waiting = dict(zip(QUEUES, counts, strict=True))
    _fits_itself(reader, waiting, known)
    _fits_the_rest(reader, waiting, scenario, deployment)
    if reader.faults or at_s is None:
        return State(0.0, (0, 0, 0))
    check_s, mail_s = (
        ages.get(queue, age_by_curve(scenario, at_s, waiting[queue], STEP_OF[queue][1]))
        for queue in AGE_OF
    )
    return State(at_s, (counts[0], counts[1], counts[2]), (check_s, mail_s), known)


def table_value(reader: Reader, name: str) -> object:
    """What stands at a key."""
    return reader.table.get(name)


def _instant(value: object, opens_h: float) -> float:
    """'14h' since the doors opened, or '14:00' when the clock first shows it; seconds."""
    if isinstance(value, str) and ":" in value:
        return (clock_hours(value) - opens_h) % 24 * 3600
    try:
        found = seconds(value)
    except ValueError:
        found = -1.0
    if not 0 <= found <= LONGEST_S:
        remedy = "write a span since the doors opened, such as '14h', or a time such as '14:00'"
        raise ValueError(remedy)
    return found


def _age(value: object) -> float:
    found = seconds(text(value))
    if not 0 <= found <= LONGEST_S:
        raise ValueError(f"write a span up to {LONGEST_S:g} s")
    return found


def _fits_itself(reader: Reader, waiting: Mapping[str, int], done: Mapping[str, int]) -> None:
    """Who has come further is among those who have come as far; so is who waits."""
    columns = [name for name in CHECKPOINT_STEPS if name in done]
    for before, after in pairwise(columns):
        if done[after] > done[before]:
            reader.fault(after, done[after], f"at most `{before}`, which is {done[before]}")
    reached = {"identity_queued": ("email_verified", "identity_verified"),
               "mail_queued": ("registered", "email_verified")}  # fmt: skip
    for queue, (before, after) in reached.items():
        if before in done and waiting[queue] > done[before] - done.get(after, 0):
            less = f" less `{after}`" if after in done else ""
            reader.fault(queue, waiting[queue], f"no more can wait there than `{before}`{less}")


def _fits_the_rest(
    reader: Reader, waiting: Mapping[str, int], scenario: Scenario, deployment: Deployment
) -> None:
    """Every line that somebody stands in is one that this scenario and deployment have."""
    journey = scenario.journey
    names = journey.step_names
    for queue, (step, brought_by) in STEP_OF.items():
        if waiting[queue] and not {step, brought_by} <= set(names):
            remedy = f"the scenario's journey needs the steps {brought_by} and {step} for it"
            reader.fault(queue, waiting[queue], remedy)
    if waiting["mail_queued"] and "verify_email" in names:
        mail = journey.steps[names.index("verify_email")].mail
        if mail != "verify":
            remedy = 'nobody waits for this mail: the step verify_email has no `mail = "verify"`'
            reader.fault("mail_queued", waiting["mail_queued"], remedy)
    if waiting["identity_queued"] and deployment.identity_check != "queued":
        remedy = "the deployment checks inline and keeps no queue: --set identity_check=queued"
        reader.fault("identity_queued", waiting["identity_queued"], remedy)
    has_agents = deployment.agents > 0 or bool(deployment.agent_shifts)
    if waiting["callers_waiting"] and not (journey.support and has_agents):
        remedy = "nobody takes calls: the scenario needs [support], the deployment agents"
        reader.fault("callers_waiting", waiting["callers_waiting"], remedy)


def age_by_curve(scenario: Scenario, at_s: float, count: int, brought_by: str) -> float:
    """How long the first of ``count`` has waited, where those who wait are the last who came.

    Seconds before ``at_s`` since when the curve brings so many to the step, drop-outs taken off;
    all the time that the doors were open, where it has not brought so many.
    """
    names, steps = scenario.journey.step_names, scenario.journey.steps
    if not count or brought_by not in names:
        return 0.0
    share = math.prod(1.0 - step.drop_out for step in steps[: names.index(brought_by) + 1])

    def too_many(age_s: float) -> float:
        return float(scenario.curve.expected(at_s - age_s, at_s)) * share - count

    if too_many(at_s) <= 0:
        return at_s
    from scipy import optimize  # here: 60 MB that no walk needs

    return float(round(optimize.brentq(too_many, 0.0, at_s, xtol=1e-3), 3))
