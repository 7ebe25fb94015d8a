"""The calendars exist twice, and a fault of one line in either of them is caught.

Each fault is planted in a copy of the source. The loop of the compiled engine runs here as plain
Python, so that nothing has to be compiled for a fault; one fault is compiled for real.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import simulation.calendar
import simulation.compiled
import simulation.driver
from harness import CHECKOUT
from simulation import layout as at
from simulation.driver import SimpyEngine
from simulation.world import Order, build_world
from tests.simulation.situations import SITUATIONS, differences
from workload.arrivals import Arrivals

PEOPLE = 96
NAMES = (
    "everything ticks",
    "dozens at a time meet quota ticks",
    "nothing takes time",
    "missed mail by ticks",
    "timeouts by ticks",
    "the record stops in the middle of a tick",
    "ticks on one shared core with a generator",
)
WATCHED = [situation for situation in SITUATIONS if situation.name in NAMES]


def copy_of(module: ModuleType, fault: tuple[str, str], **instead: Any) -> dict[str, Any]:
    """The names of a copy of a module with a line replaced; decorators of numba do nothing."""
    source = inspect.getsource(module)
    right, wrong = fault
    assert source.count(right) == 1
    source = source.replace(right, wrong)
    source = source.replace("@machine_code(", "@_as_it_stands(").replace("@overload(", "@_aside(")
    for call in ("settle((", "_compile_as_it_stands()\n\nDONE"):
        source = source.replace(call, "_ignore((" if call == "settle((" else "DONE")
    names: dict[str, Any] = {
        "__name__": module.__name__,
        "__file__": module.__file__,
        "_as_it_stands": lambda **_: lambda function: function,
        "_aside": lambda _: lambda function: function,
        "_ignore": lambda _: None,
    }
    exec(compile(source, str(module.__file__), "exec"), names)  # noqa: S102
    names.update(instead)
    return names


NO_FAULT = ("from __future__ import annotations", "from __future__ import annotations")


def run_loop(fault: tuple[str, str], order: Order, arrivals: Arrivals) -> at.World:
    """The compiled engine's loop over lists, with a fault in it or in its calendar."""
    in_calendar = fault[0] in inspect.getsource(simulation.calendar) and fault != NO_FAULT
    ahead = copy_of(simulation.calendar, fault if in_calendar else NO_FAULT)
    ahead["SOON"] = 5_000_000  # among the ticks, so that both heaps have a part in their ties
    loop = copy_of(simulation.compiled, NO_FAULT if in_calendar else fault)
    loop.update({name: ahead[name] for name in ahead if name in loop and name[0] != "_"})
    world = build_world(order, places=1 << 14)._replace(rows=[0] * (at.ROW << 14))
    ahead_of = ahead["Ahead"](order.itinerary.plan).calendar
    calendar = ahead["Calendar"](*(part.tolist() for part in ahead_of))
    who, when = arrivals.index.tolist(), arrivals.at_ns.tolist()
    assert loop["_run"](world, calendar, who, when, 1, 10**6) == loop["DONE"]
    return world


def is_caught(fault: tuple[str, str], side: str) -> bool:
    """Whether a situation comes out differently, or not at all."""
    for situation in WATCHED:
        order, arrivals = situation.order(PEOPLE), situation.arrivals(PEOPLE)
        try:
            if side == "simpy":
                readable = copy_of(simulation.driver, fault)["SimpyEngine"](order).run(arrivals)
                repeated = run_loop(NO_FAULT, order, arrivals)
            else:
                readable = SimpyEngine(order).run(arrivals)
                repeated = run_loop(fault, order, arrivals)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, ValueError):
            return True
        if differences(readable, repeated):
            return True
    return False


def test_without_a_fault_the_loop_agrees() -> None:
    """So what is caught below is the fault."""
    assert not is_caught(NO_FAULT, "simpy")
    assert not is_caught(NO_FAULT, "compiled")


@pytest.mark.parametrize(
    "fault",
    [
        ("heap[above] < time or", "heap[above] <= time or"),
        ("heap[above + 1] < code", "heap[above + 1] > code"),
        ("heap[other] < heap[best] or", "heap[other] <= heap[best] or"),
        ("heap[other + 1] < heap[best + 1]", "heap[other + 1] > heap[best + 1]"),
        ("heap[best] > time or", "heap[best] >= time or"),
        ("heap[best + 1] > code", "heap[best + 1] < code"),
        ("if c.rings[before] < time or", "if c.rings[before] <= time or"),
        ("or c.rings[before + 1] < code", "or c.rings[before + 1] > code"),
        ("cells[here + 1] < code", "cells[here + 1] > code"),
        ("return bool(cells[here] < time or", "return bool(cells[here] <= time or"),
        ("c.ring_of[2 * step + kind - at.TIMEOUT]", "c.ring_of[2 * step]"),
        ("pop(c.late, c.state[LATE_COUNT])", "pop(c.late, c.state[SOON_COUNT])"),
        ("is_before(c.late, 0, time, code)", "is_before(c.late, 0, time, 0)"),
        ("if time < w.cells[at.C_HORIZON]", "if time < w.cells[at.C_HORIZON] - 20_000_000"),
        ("min(child + 4 * ENTRY, last)", "min(child + 3 * ENTRY, last)"),
        ("when[come] <= now", "when[come] < now"),
        ("if now >= horizon:", "if now > horizon:"),
        ("if ns > 0:", "if ns > 1_000_000_000:"),
        ("come + 1", "come + 2"),
        ("if ending == GOES_ON:", "if ending <= 2:"),
    ],
)
def test_a_fault_in_the_compiled_calendar_is_caught(fault: tuple[str, str]) -> None:
    """Ties settled otherwise, an edge moved by one, a rule bent."""
    assert is_caught(fault, "compiled")


@pytest.mark.parametrize(
    "fault",
    [
        ("priority=code", "priority=1"),
        ("priority=code", "priority=-code"),
        ("priority=code", "priority=code >> 56"),
        ("delay=when - env.now", "delay=when - env.now + 1"),
        ("self.env.run(until=horizon * piece // pieces)", "self.env.run(until=horizon + 1)"),
        ("at.code_of(at.ARRIVE, who, 0, 0)", "at.code_of(at.NO_MAIL_YET, who, 0, 0)"),
        ("if isinstance(action, Pause):", "if isinstance(action, Pause) and action.ns > 10**9:"),
        ("yield hears\n", "yield env.timeout(action.ns + 1)\n"),
    ],
)
def test_a_fault_in_the_simpy_calendar_is_caught(fault: tuple[str, str]) -> None:
    """The same for SimPy's side."""
    assert is_caught(fault, "simpy")


JUDGE = """
from simulation.compiled import CompiledEngine
from simulation.driver import SimpyEngine
from tests.simulation.situations import SITUATIONS, differences
found = []
for situation in SITUATIONS:
    if situation.ties:
        order, arrivals = situation.order(96), situation.arrivals(96)
        engines = SimpyEngine(order), CompiledEngine(order)
        found += differences(*(engine.run(arrivals) for engine in engines))
print("differs" if found else "equal")
"""


def verdict(house: Path) -> str:
    """Whether the engines of a house are equal, the compiled one made from what stands there."""
    answer = subprocess.run(
        [sys.executable, "-c", JUDGE], cwd=house, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(house)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


@pytest.mark.slow
def test_a_fault_that_is_compiled_for_real_is_caught(tmp_path: Path) -> None:
    """In a copy of the house, whose engine is compiled from the copy; the house itself is equal."""
    for room in ("workload", "simulation", "tests", "tests/simulation"):
        (tmp_path / room).mkdir(parents=True)
        for path in (CHECKOUT / room).glob("*.py"):
            (tmp_path / room / path.name).write_bytes(path.read_bytes())
    calendar = tmp_path / "simulation" / "calendar.py"
    right, wrong = "heap[best + 1] > code", "heap[best + 1] < code"
    assert calendar.read_text().count(right) == 1
    calendar.write_text(calendar.read_text().replace(right, wrong))
    assert verdict(tmp_path) == "differs"
    assert (tmp_path / ".cache" / "numba").is_dir()
    assert verdict(CHECKOUT) == "equal"
