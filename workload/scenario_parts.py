"""The parts of a scenario as TOML writes them: arrivals, people, patience, steps, readings.

Each reader takes a table's keys, notes every fault and gives None (or a harmless stand-in) after
one. Bounds keep what is read within 64 bits of nanoseconds, in every engine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, TypeVar

from workload.arrivals import ArrivalCurve, Burst, Constant, Daily, Part, Ramp
from workload.durations import LONGEST_S, Duration, duration_from
from workload.journey import (
    ATTACKERS,
    MAILS,
    STEPS,
    SUPPORT_STEP,
    Journey,
    Patience,
    Step,
    Support,
)
from workload.objective import Objective, parse_objective
from workload.population import PROVINCES, Population
from workload.reader import Reader, clock_hours, flag, number, one_of, prose, seconds, text, whole
from workload.wave_draw import JOINED_BY, WaveDraw

#: What a scenario's journey may be: that of the reference system, or a stranger's own.
JOURNEYS: Final = ("reference", "own")
#: The reference journey; call_support is reached from a failed step, never walked to.
WALKED: Final = STEPS[:-1]
SHAPES: Final = ("constant", "ramp", "burst", "daily")
COUNTS: Final = ("registered", "email_verified", "identity_verified", "joined")
QUEUES: Final = ("identity", "mail")
NO_COUNTS: Final[tuple[str, ...]] = ()
#: What a reading may say by step.
BY_STEP: Final = ("drop_out", "pause")
V = TypeVar("V")

MOST_PEOPLE: Final = 1e10
LONGEST_BACKOFF_S: Final = 1e6  # 11 days; a thousandth of it times a draw stays below 2**63
SPAN: Final = number(0, LONGEST_S, open_low=True)
PAUSE: Final = number(0, LONGEST_BACKOFF_S)


@dataclass(frozen=True)
class Reading:
    """One way to read the published figures: drop-outs and pauses by step, where they differ from
    the journey's own (inputs), and the snapshots it implies. ``fitted``: the counts that something
    of the scenario was solved to meet.
    """

    name: str
    why: str
    drop_out: Mapping[str, float]
    published: tuple[Mapping[str, float], ...]
    pause: Mapping[str, Duration] = field(default_factory=dict)
    fitted: tuple[str, ...] = ()

    def among(self, steps: Collection[str]) -> Reading:
        """The same reading of a journey of only these steps."""
        return replace(self, drop_out=among(self.drop_out, steps), pause=among(self.pause, steps))


def among(by_step: Mapping[str, V], steps: Collection[str]) -> dict[str, V]:
    """What a table says of these steps."""
    return {step: value for step, value in by_step.items() if step in steps}


def read_curve(reader: Reader) -> ArrivalCurve | None:
    """[arrivals]: the curve, or None after a fault in it."""
    before = len(reader.faults)
    duration_s = reader.take("duration", _long_span) or 1.0
    opens_h = reader.take("opens_at", clock_hours, 0.0, written="00:00") or 0.0
    people = number(0, MOST_PEOPLE, open_low=True)
    population = reader.take("population", people) if reader.has("population") else None
    deterministic = reader.take("deterministic", flag, False) or False
    parts = [_part(child, opens_h, duration_s) for child in reader.children("parts")]
    if not reader.table.get("parts"):
        reader.fault("parts", [], 'add one: [[arrivals.parts]] shape = "constant", per_s = 5')
    reader.done(also=("population",))
    if len(reader.faults) > before:
        return None
    whole_parts = tuple(part for part in parts if part)
    try:
        curve = ArrivalCurve(whole_parts, duration_s, population or 1.0, deterministic)
        return curve if population else replace(curve, population=curve.raw_count)
    except ValueError as error:
        reader.fault("parts", [type(part).__name__.lower() for part in whole_parts], str(error))
        return None


def _long_span(value: Any) -> float:
    """A parser for a span above 0, of at most three years."""
    found = seconds(value)
    if not 0 < found <= LONGEST_S:
        raise ValueError(f"write a span above 0, up to {LONGEST_S:g} s, such as '65h'")
    return found


def _part(reader: Reader, opens_h: float, duration_s: float) -> Part | None:
    before = len(reader.faults)
    shape = reader.take("shape", one_of(*SHAPES))
    part: Part | None = None
    if shape in ("constant", "ramp"):
        part = _straight(reader, shape, duration_s)
    elif shape == "burst":
        people = reader.take("people", number(0, MOST_PEOPLE, open_low=True)) or 1.0
        decay = reader.take("decay_s", SPAN) or 1.0
        part = Burst(people, decay, reader.take("start", seconds, 0.0) or 0.0)
    elif shape == "daily":
        mean = reader.take("mean_per_h", number(0, MOST_PEOPLE, open_low=True)) or 1.0
        swing = reader.take("swing", number(0, 1)) or 0.0
        part = Daily(mean, swing, reader.take("busiest", clock_hours) or 0.0, opens_h)
    if shape:
        reader.done()
    return part if len(reader.faults) == before else None


def _straight(reader: Reader, shape: str, duration_s: float) -> Part:
    rate = number(0, MOST_PEOPLE)
    start = reader.take("start", seconds, 0.0) or 0.0
    end = reader.take("end", seconds, duration_s) or 0.0
    if end <= start:
        reader.fault("end", end, f"the part must end after it starts ({start:g} s)")
    if shape == "constant":
        return Constant(reader.take("per_s", rate) or 0.0, start, end)
    low, high = reader.take("from_per_s", rate), reader.take("to_per_s", rate)
    return Ramp(low or 0.0, high or 0.0, start, end)


def read_people(reader: Reader) -> Population | None:
    """[people]: who comes, or None after a fault in it."""
    before = len(reader.faults)
    mistyped = reader.take("mistyped", number(0, 1), 0.0) or 0.0
    domains = one_of("example.com", "example.id.invalid")
    domain = reader.take("domain", domains, "example.com") or ""
    codes = {name: code for code, name in PROVINCES.items()}
    shares = reader.child("provinces")
    share = number(0, MOST_PEOPLE)
    weights = {codes[n]: shares.take(n, share) or 0.0 for n in shares.table if n in codes}
    shares.done(also=codes)
    reader.done()
    if shares.table and len(reader.faults) == before and not any(weights.values()):
        reader.fault("provinces", dict(shares.table), "give at least one province a share above 0")
    if len(reader.faults) > before:
        return None
    if not weights:
        weights = dict.fromkeys(PROVINCES, 1.0)
        reader.filled["provinces"] = dict.fromkeys(codes, 1.0)
    return Population(weights, mistyped, domain)


def read_patience(reader: Reader, base: Patience) -> Patience:
    """[patience], of the scenario or of a step; what it leaves out is as in ``base``."""
    patience = Patience(
        timeout_s=reader.take("timeout_s", SPAN, base.timeout_s) or 1.0,
        connect_timeout_s=reader.take("connect_timeout_s", SPAN, base.connect_timeout_s) or 1.0,
        attempts=reader.take("attempts", whole(1, 1000), base.attempts) or 1,
        backoff_s=reader.take("backoff_s", PAUSE, base.backoff_s) or 0.0,
        backoff_cap_s=reader.take("backoff_cap_s", PAUSE, base.backoff_cap_s) or 0.0,
        jitter=reader.take("jitter", number(0, 1), base.jitter) or 0.0,
        mail_s=reader.take("mail_s", SPAN, base.mail_s) or 1.0,
    )
    reader.done()
    return patience


def read_journey(reader: Reader, patience: Patience) -> Journey | None:
    """`journey` and [[steps]], or None after a fault in them."""
    before = len(reader.faults)
    kind = reader.take("journey", one_of(*JOURNEYS), "reference")
    naming = one_of(*WALKED) if kind == "reference" else _identifier
    steps = [_step(child, patience, naming) for child in reader.children("steps")]
    support = _support(reader.child("support"), patience) if reader.has("support") else None
    names = [step.name for step in steps if step]
    order = [name for name in WALKED if name in names]
    if not reader.table.get("steps"):
        reader.fault("steps", [], 'add one: [[steps]] name = "open_site"')
    elif kind == "reference" and names != order:
        reader.fault("steps", names, f"each step once, in the journey's order: {', '.join(order)}")
    elif len(set(names)) < len(names):
        reader.fault("steps", names, "each step once: give every step a name of its own")
    elif SUPPORT_STEP in names:
        remedy = (
            "nobody walks to it: write [support] share = 0.1, and people call where a step fails"
        )
        reader.fault("steps", names, remedy)
    if steps and steps[0] and steps[0].drop_out > 0:
        remedy = "nobody can leave before the first step; lower `arrivals.population` instead"
        reader.fault("steps[0].drop_out", steps[0].drop_out, remedy)
    walked = tuple(step for step in steps if step)
    draw = _draw(reader.child("draw"), names) if reader.has("draw") else None
    return Journey(walked, support, draw=draw) if len(reader.faults) == before else None


def _draw(reader: Reader, steps: Sequence[str]) -> WaveDraw:
    """[draw]: when the wave closes and its seats are drawn."""
    closes = reader.take("closes", _long_span) or 1.0
    found = WaveDraw(
        closes_s=closes,
        drawn_s=reader.take("drawn", _long_span, closes) or closes,
        seats=reader.take("seats", whole(1, 10_000_000_000)) or 1,
    )
    reader.done()
    if found.drawn_s < closes:
        reader.fault("drawn", reader.table["drawn"], "the wave closes before its seats are drawn")
    if JOINED_BY not in steps:
        reader.fault(
            "seats", found.seats, f"a draw is among those who join: add a step {JOINED_BY}"
        )
    return found


def _support(reader: Reader, patience: Patience) -> Support:
    """[support]: who calls for help when a step has failed for good."""
    nothing = duration_from(0)
    found = Support(
        share=reader.take("share", number(0, 1, open_low=True)) or 1.0,
        call=Step(
            SUPPORT_STEP,
            pause=reader.take("pause", duration_from, nothing, written=0) or nothing,
            patience=read_patience(reader.child("patience"), patience),
        ),
    )
    reader.done()
    return found


def _identifier(value: Any) -> str:
    """A parser for the name of a stranger's step: it becomes a label and a word of objectives."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", value):
        raise ValueError("write a name of lower-case letters, digits and _, such as `add_to_cart`")
    if value.startswith(ATTACKERS):
        raise ValueError(f"{ATTACKERS}… are the steps of [attack]; give it another name")
    return value


def _step(reader: Reader, patience: Patience, naming: Any) -> Step | None:
    before = len(reader.faults)
    nothing = duration_from(0)
    step = Step(
        name=reader.take("name", naming) or "",
        pause=reader.take("pause", duration_from, nothing, written=0) or nothing,
        drop_out=reader.take("drop_out", number(0, 1), 0.0) or 0.0,
        patience=read_patience(reader.child("patience"), patience),
        mail=reader.take("mail", one_of(*MAILS), "none") or "none",
        polls=reader.take("polls", whole(0, 1000), 0) or 0,
        poll_s=reader.take("poll_s", number(0, LONGEST_BACKOFF_S, open_low=True), 30.0) or 30.0,
        poll_cap_s=reader.take("poll_cap_s", number(0, LONGEST_BACKOFF_S, open_low=True), 960.0)
        or 960.0,
    )
    reader.done()
    return step if len(reader.faults) == before else None


def read_objectives(reader: Reader, journey: Journey | None) -> tuple[Objective, ...]:
    """`objectives`: every one that is not understood is a fault of its own."""
    nothing: list[str] = []
    texts = reader.take("objectives", _list_of_text, nothing) or nothing
    queues = QUEUES if reader.filled.get("journey") == "reference" else ()
    found = []
    for at, one in enumerate(texts):
        try:
            found.append(_objective(one, journey, queues))
        except ValueError as error:
            reader.fault(f"objectives[{at}]", one, str(error))
    return tuple(found)


def _objective(one: str, journey: Journey | None, queues: Sequence[str]) -> Objective:
    objective = parse_objective(one)
    if objective.kind in ("latency", "success"):
        if journey and objective.subject not in journey.names:
            raise ValueError(f"names no step of this journey ({', '.join(journey.names)})")
    elif objective.kind == "backlog" and queues and objective.subject not in queues:
        raise ValueError(f"there is no such queue; write one of {', '.join(queues)}")
    return objective


def _list_of_text(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError('write a list of text: ["p(99) register < 800ms"]')
    return value


def read_hours(reader: Reader) -> tuple[float, ...]:
    """`checkpoints_h`: ascending hours after the opening."""

    def parse(value: Any) -> tuple[float, ...]:
        hour = number(0, LONGEST_S / 3600, open_low=True)
        found = tuple(hour(one) for one in value) if isinstance(value, list) else ()
        if not isinstance(value, list) or any(b <= a for a, b in pairwise(found)):
            raise ValueError("write a list of hours, ascending: [21, 50, 65]")
        return found

    return reader.take("checkpoints_h", parse, (), written=[]) or ()


def read_readings(reader: Reader, steps: Sequence[str]) -> dict[str, Reading]:
    """[readings.NAME]: by name."""
    found: dict[str, Reading] = {}
    for name in reader.table:
        child = reader.child(name)
        why = child.take("why", prose, "") or ""
        drop_out = _drop_outs(child.child("drop_out"), steps)
        pause = _pauses(child.child("pause"), steps)
        published = tuple(_snapshot(one) for one in child.children("published"))
        fitted = child.take("fitted", _counts, NO_COUNTS, written=[]) or ()
        child.done()
        found[name] = Reading(name, why, drop_out, published, pause, fitted)
    return found


def _counts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not set(map(str, value)) <= set(COUNTS):
        raise ValueError(f"write a list of {', '.join(COUNTS)}")
    return tuple(value)


def _drop_outs(reader: Reader, steps: Sequence[str]) -> dict[str, float]:
    """Shares that leave before a step; nobody can leave before the first."""
    later: Collection[str] = steps[1:]
    shares = {s: reader.take(s, number(0, 1)) or 0.0 for s in reader.table if s in later}
    reader.done(also=later)
    return shares


def _pauses(reader: Reader, steps: Sequence[str]) -> dict[str, Duration]:
    """Pauses before steps, where a reading implies others than the journey's."""
    found = {name: reader.take(name, duration_from) for name in reader.table if name in steps}
    reader.done(also=steps)
    return {name: pause for name, pause in found.items() if pause is not None}


def _snapshot(reader: Reader) -> dict[str, float]:
    row = {"hours": reader.take("hours", number(0)) or 0.0}
    row |= {c: reader.take(c, number(0)) or 0.0 for c in COUNTS if reader.has(c)}
    reader.done(also=COUNTS)
    return row


def choose_reading(reader: Reader, readings: Mapping[str, Reading], override: str | None) -> str:
    """The name of the reading to use: asked for, written, or the first; '' where there is none."""
    if not readings:
        if override or reader.has("reading"):
            asked = override or reader.table["reading"]
            reader.fault("reading", asked, "this scenario has no [readings]; leave it out")
        reader.leave("reading")
        return ""
    written = reader.take("reading", text, next(iter(readings))) or ""
    chosen = override or written
    if chosen not in readings:
        reader.fault("reading", chosen, f"write one of {', '.join(readings)}")
    reader.filled["reading"] = chosen
    return chosen
