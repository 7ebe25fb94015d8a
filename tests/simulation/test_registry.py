"""The civil registry: queued or inline, with windows in which it is not as usual."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment, RegistryWindow, load_deployment, with_settings
from tests.simulation.situations import Situation, history_of, journey
from workload.durations import constant
from workload.errors import InputError
from workload.history import History
from workload.journey import Patience
from workload.visit import Ending, Outcome

SUBMIT, AWAIT = 3, 4
STEADY = Patience(timeout_s=120, attempts=1, mail_s=1e5)


def walked(deployment: Deployment, patience: Patience = STEADY) -> tuple[at.World, History]:
    """A thousand people in ten seconds who hardly pause."""
    situation = Situation(
        "", deployment=deployment, walk=journey(patience, pause=constant(0.01)), rate=100,
        horizon_s=2_000,
    )  # fmt: skip
    order = situation.order(1_000)
    world = CompiledEngine(order).run(situation.arrivals(1_000))
    return world, history_of(order, world)


def took_s(history: History, step: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rows = history.where((history["step"] == step) & (history["outcome"] == Outcome.ACCEPTED))
    return np.asarray(rows["ended"] - rows["intended"]) / 1e9


def test_an_inline_check_makes_the_person_wait_for_the_ministry() -> None:
    """The same latency that a queue would hide, at the step that submits; no poll is pending."""
    latency = constant(0.3)
    _, queued = walked(Deployment(registry_latency=latency, registry_slots=100))
    inline_deployment = Deployment(
        registry_latency=latency, registry_slots=100, identity_check="inline"
    )
    _, inline = walked(inline_deployment)
    assert took_s(queued, SUBMIT).max() < 0.1
    assert took_s(inline, SUBMIT).min() > 0.3
    assert not ((inline["step"] == AWAIT) & (inline["outcome"] == Outcome.PENDING)).any()


def test_a_mistyped_identity_is_declined_where_the_answer_comes() -> None:
    """Inline at once, queued at the poll; by luck of the same people."""
    declined = {}
    for design, step in (("inline", SUBMIT), ("queued", AWAIT)):
        _, rows = walked(Deployment(identity_check=design))
        mine = rows.where(rows["outcome"] == Outcome.DECLINED)
        assert set(mine["step"].tolist()) == {step}
        assert set(mine["ending"].tolist()) == {Ending.TURNED_AWAY}
        declined[design] = set(mine["visitor"].tolist())
    assert declined["inline"] == declined["queued"]


def test_an_outage_stops_the_queue_and_loses_nobody_patient() -> None:
    """No check is answered in it that did not begin before; afterwards all are."""
    outage = RegistryWindow(3, 60)
    usual, _ = walked(Deployment(registry_latency=constant(0.1)))
    world, rows = walked(Deployment(registry_latency=constant(0.1), registry_windows=(outage,)))
    decided = rows.where((rows["step"] == AWAIT) & (rows["outcome"] == Outcome.ACCEPTED))
    asked = decided["ended"] / 1e9
    assert not ((asked > 3 + 5) & (asked < 60)).any()
    assert (asked > 60).sum() > 500
    mine = at.REGISTRY_CLIENT * at.STATION
    assert world.stations[mine + at.S_SERVED] == usual.stations[mine + at.S_SERVED]
    assert world.stations[mine + at.S_LONGEST] > 50e9


def test_an_outage_refuses_those_who_wait_for_the_answer() -> None:
    """Inline, the service says 503; who has one attempt gives up."""
    _, rows = walked(Deployment(identity_check="inline", registry_windows=(RegistryWindow(3, 60),)))
    late = rows.where((rows["step"] == SUBMIT) & (rows["started"] > 3.1e9))
    assert set(late["outcome"].tolist()) == {Outcome.OVERLOADED}
    assert set(late["ending"].tolist()) == {Ending.GAVE_UP}


def test_a_brown_out_slows_the_registry_and_takes_slots() -> None:
    """With four slots of sixteen and half the pace, 1/8 of the usual rate."""
    brown = Deployment(
        registry_latency=constant(0.16), registry_slots=16,
        registry_windows=(RegistryWindow(0, 100, 4, 2.0),),
    )  # fmt: skip
    world, _ = walked(brown)
    usual, _ = walked(replace(brown, registry_windows=()))
    mine = at.REGISTRY_CLIENT * at.STATION
    assert usual.stations[mine + at.S_DRAINED] < 13e9
    # some 970 checks at 4 / 0.32 s a second
    assert world.stations[mine + at.S_DRAINED] / 1e9 == pytest.approx(1000 / 12.5, rel=0.05)


def test_windows_are_read_with_every_fault(tmp_path: Path) -> None:
    """As arrays of tables; those that overlap or end before they start are named."""
    head = 'schema = "surge/deployment/1"\n'
    good = '[[registry_windows]]\nfrom = "2h"\nto = "3h"\n'
    path = tmp_path / "d.toml"
    path.write_text(head + good + good.replace("2h", "4h").replace("3h", "5h") + "slots = 2\n")
    assert load_deployment(path).registry_windows == (
        RegistryWindow(7200, 10800), RegistryWindow(14400, 18000, 2),
    )  # fmt: skip
    path.write_text(head + good + good + "slowr = 3\n")
    with pytest.raises(InputError) as told:
        load_deployment(path)
    assert "registry_windows[1].to" in str(told.value)
    assert "did you mean `slower`" in str(told.value)
    assert with_settings(Deployment(), ["identity_check=inline"]).identity_check == "inline"
