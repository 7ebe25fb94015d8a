"""What Locust has recorded, SimPy walks again: the same attempts, the same endings."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import CHECKOUT
from simulation.driver import SimpyEngine
from simulation.replay import attempts_of, replay
from tests.simulation.situations import SITUATIONS, Situation, history_of, journey
from workload.errors import RecordError
from workload.history import NAMES, History, Observation, read_history
from workload.journey import Journey
from workload.manifest import read_manifest
from workload.scenario import load_scenario
from workload.visit import Ending, Outcome, Pause, walk

SEED = 31


def recorded(walked: Journey, visitors: int, stop_ns: int = 1 << 62) -> History:
    """A record of people who hear anything that can be heard, by luck; cut at ``stop_ns``."""
    luck = np.random.default_rng(SEED)
    rows: list[Observation] = []
    for visitor in range(visitors):
        arrived = now = visitor * 50_000_000
        visit = walk(walked.itinerary(), SEED, visitor)
        word = next(visit)
        while True:
            if isinstance(word, Pause):
                now += word.ns
                word = next(visit)
                continue
            intended = now + (int(luck.integers(10**9)) if word.mail else 0)
            started = intended + int(luck.integers(10**6))
            now = started + int(luck.integers(10**8))
            outcome = Outcome.ACCEPTED if luck.random() < 0.6 else Outcome(int(luck.integers(10)))
            row = Observation(visitor, word.step, word.number, arrived, intended, started, now,
                              outcome, 200, Ending.OPEN)  # fmt: skip
            if now > stop_ns:
                break
            try:
                word = visit.send(outcome)
            except StopIteration as end:
                rows.append(replace(row, ending=end.value))
                break
            rows.append(row)
    return History.of(walked.names, sorted(rows, key=lambda row: row.ended))


def assert_identical(record: History, again: History) -> None:
    """Attempt by attempt, outcome by outcome, ending by ending; and to the nanosecond."""
    assert attempts_of(again) == attempts_of(record)
    ours, theirs = again.ordered(), record.ordered()
    assert [name for name in NAMES if not np.array_equal(ours[name], theirs[name])] == []


def test_a_record_of_every_outcome_is_walked_again() -> None:
    """Timeouts, resets, refusals, overload, faults, missed mail: SimPy's visitors go on alike."""
    record = recorded(journey(), 400)
    assert set(record["outcome"].tolist()) == set(Outcome)
    assert_identical(record, replay(record, journey().itinerary(), SEED))


def test_a_record_that_stops_in_the_middle_is_walked_as_far_as_it_goes() -> None:
    """Visits that were open stay open."""
    record = recorded(journey(), 400, stop_ns=12 * 10**9)
    assert (record["ending"] == Ending.OPEN).sum() > 100
    assert_identical(record, replay(record, journey().itinerary(), SEED))


@pytest.mark.parametrize("situation", SITUATIONS[:12], ids=lambda situation: situation.name)
def test_what_the_model_records_is_walked_again(situation: Situation) -> None:
    """A simulated history is a history like any other."""
    order = situation.order(200)
    record = history_of(order, SimpyEngine(order).run(situation.arrivals(200)))
    assert_identical(record, replay(record, order.itinerary, order.seed))


def test_another_seed_or_a_lost_row_is_noticed() -> None:
    """The remedy is to give what the record was made with."""
    record = recorded(journey(drop_out=0.3), 50)
    with pytest.raises(RecordError, match="scenario, seed and bending"):
        replay(record, journey(drop_out=0.3).itinerary(), SEED + 1)
    lost = np.ones(len(record), dtype=bool)
    lost[int(np.flatnonzero((record["step"] == 1) & (record["number"] == 1))[0])] = False
    with pytest.raises(RecordError, match="never made"):
        replay(record.where(lost), journey(drop_out=0.3).itinerary(), SEED)


SCENARIO = """schema = "surge/scenario/1"
name = "in-a-hurry"
question = "Does the model walk like the load generator when much goes wrong?"
seed = 99
[arrivals]
duration = "5s"
[[arrivals.parts]]
shape = "constant"
per_s = 40
[people]
mistyped = 0.2
[patience]
timeout_s = 0.06
connect_timeout_s = 1.0
attempts = 3
backoff_s = 0.1
backoff_cap_s = 0.5
mail_s = 0.5
[[steps]]
name = "open_site"
[[steps]]
name = "register"
pause = 0.1
[[steps]]
name = "verify_email"
pause = 0.05
mail = "verify"
[[steps]]
name = "submit_identity"
pause = 0.1
drop_out = 0.1
[[steps]]
name = "await_identity"
pause = 0.1
polls = 2
poll_s = 0.1
poll_cap_s = 0.2
mail = "result"
"""


@pytest.mark.slow
def test_a_real_run_with_failures_is_walked_again(tmp_path: Path) -> None:
    """Recorded by Locust against the reference system, which sheds and loses mail."""
    (tmp_path / "hurry.toml").write_text(SCENARIO)
    run = tmp_path / "run"
    settings = ["admission=shed", "in_flight_cap=1", "shed_delay_s=0.05", "mail_loss=0.2"]
    pairs = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "harness", "load", str(tmp_path / "hurry.toml"),
               "--run-dir", str(run), "--drain", "5s", *pairs]  # fmt: skip
    answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert answer.returncode in {0, 1, 3}, answer.stderr
    record, manifest = read_history(run), read_manifest(run)
    heard = set(record["outcome"].tolist())
    assert heard >= {Outcome.ACCEPTED, Outcome.OVERLOADED, Outcome.NO_MAIL}
    itinerary = load_scenario(run / "scenario.toml").journey.itinerary(
        manifest.bending.pauses, manifest.bending.speed
    )
    assert_identical(record, replay(record, itinerary, manifest.seed))
