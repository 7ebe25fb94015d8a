"""`surge simulate --from-state`: when a measured backlog is drained, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import CHECKOUT
from harness.draining import answer, became, interval, moment, peak
from simulation.deployment import Deployment, load_deployment
from simulation.state import load_state
from tests.harness.report_runs import words_of
from workload.errors import InputError
from workload.scenario import load_scenario

Verb = Callable[..., Any]
EXAMPLE = CHECKOUT / "docs" / "examples" / "state-14h.toml"
#: Forty people still come, and SimPy needs no compiling.
BRIEF = ("simulate", "smoke", "--engine", "simpy", "--population", "200", "--horizon", "5m")


@pytest.fixture
def state_file(tmp_path: Path) -> Callable[..., Path]:
    """A state as an operator writes it; half a minute after the opening unless told."""

    def write(**keys: object) -> Path:
        table = {"schema": "surge/state/1", "at": "24s", **keys}
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value != ""]
        path = tmp_path / "state.toml"
        path.write_text("\n".join(lines))
        return path

    return write


def test_the_first_thing_said_is_when_the_line_is_drained(
    verb: Verb,
    model_file: Path,
    state_file: Callable[..., Path],
    tmp_path: Path,
    json_faults: Callable[[Any], list[str]],
) -> None:
    """With an interval, the peak and who gave up; one JSON object, and a plot with that title."""
    path = state_file(identity_queued=60, mail_queued=5)
    slow = ("--set", "registry_slots=2", "--set", "registry_latency=[1.0]", "--replications", "3")
    answered = verb(*BRIEF, *slow, "--from-state", str(path), "--model", str(model_file), "--json")
    state = answered.found["state"]
    assert json_faults(answered.found) == []
    assert answered.found["bending"]["window_s"][0] == 24.0
    assert list(state["lines"]) == ["identity", "mail"]
    line = state["lines"]["identity"]
    assert line["drained"] == 3
    assert 24 + 29 <= line["drained_at_h"]["mean"] * 3600 < 24 + 120
    told = " ".join(answered.told.split())
    assert told.index("The registry's queue of 60 is drained at") < told.index("Steps")
    for words in ("95 % interval of its mean", "Of the 60 who stood in it", "The outbox of 5"):
        assert words in told
    (tmp_path / "projection.json").write_text(json.dumps(answered.found))
    page = words_of(tmp_path / "projection.json").of["projection"]
    assert "The registry's queue of 60 is drained at" in page
    assert "Of the 60 who stood in it" in page


def test_a_registry_that_is_saturated_says_which_rate_would_do(
    verb: Verb, model_file: Path, state_file: Callable[..., Path]
) -> None:
    """One check in ten seconds: not before the horizon, and what would be needed."""
    stuck = ("--set", "registry_slots=1", "--set", "registry_latency=[10.0]")
    path = state_file(identity_queued=100, identity_age="20s")
    answered = verb(*BRIEF, *stuck, "--from-state", str(path), "--model", str(model_file), "--json")
    line = answered.found["state"]["lines"]["identity"]
    assert (line["drained"], line["drained_at_h"]) == (0, None)
    assert line["needed_per_s"] >= 100 / 300
    assert "does not drain before the horizon" in answered.told
    assert "0.1 checks a second leave it, 0.333 would" in " ".join(answered.told.split())


def test_every_fault_of_a_state_is_told_at_once(
    verb: Verb, model_file: Path, state_file: Callable[..., Path]
) -> None:
    """Field, value and remedy of each; exit 2."""
    path = state_file(
        at="noon", identity_queued=-1, mail_queued=9_000, mail_age="yesterday", caller_waiting=3,
        registered=5_000, email_verified=6_000, callers_waiting=2,
    )  # fmt: skip
    answered = verb(*BRIEF, "--from-state", str(path), "--model", str(model_file), "--json")
    assert (answered.code, answered.found) == (2, {})
    for fault in (
        "at = 'noon': write a span since the doors opened",
        "identity_queued = -1: write a whole number from 0",
        "mail_age = 'yesterday': write a span",
        "caller_waiting = 3: unknown key; did you mean `callers_waiting`?",
        "email_verified = 6000: at most `registered`, which is 5000",
        "mail_queued = 9000: no more can wait there than `registered` less `email_verified`",
        "callers_waiting = 2: nobody takes calls",
    ):
        assert fault in answered.told, fault


def test_options_that_would_change_a_measured_crowd_are_refused(
    verb: Verb, model_file: Path, state_file: Callable[..., Path]
) -> None:
    """Together, before the file is read; a file that is not there is told as well."""
    path = state_file(identity_queued=1)
    bent = ("--thin", "0.5", "--speed", "2", "--pauses", "0", "--window", "0s..5s")
    answered = verb(*BRIEF, *bent, "--from-state", str(path), "--model", str(model_file))
    assert answered.code == 2
    for option in ("thin", "speed", "pauses", "window"):
        assert f"--{option} = " in answered.told
    missing = verb(*BRIEF, "--from-state", "nowhere.toml", "--model", str(model_file))
    assert missing.code == 2
    assert "--from-state = 'nowhere.toml': it can't be read" in missing.told


def test_the_example_fits_the_scenario_that_it_is_for() -> None:
    """And what it leaves out follows from the curve: those who wait are the last who came."""
    prakerja = load_scenario("prakerja-2020")
    state = load_state(EXAMPLE, prakerja, load_deployment("national"))
    assert (state.at_s, state.counts) == (14 * 3600, (266_000, 0, 0))
    assert 0 < state.ages_s[0] < state.at_s
    assert state.ages_s[1] == 0.0


@pytest.mark.parametrize(
    ("keys", "deployment", "words"),
    [
        ({}, Deployment(), "identity_queued = None: name who waits"),
        ({"identity_queued": 5}, Deployment(identity_check="inline"), "keeps no queue"),
        ({"identity_queued": 5, "identity_age": "30s"}, Deployment(), "at most `at`"),
        ({"identity_queued": True}, Deployment(), "write a whole number"),
        ({"schema": "surge/state/2", "mail_queued": 1}, Deployment(), 'write "surge/state/1"'),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    state_file: Callable[..., Path], keys: dict[str, object], deployment: Deployment, words: str
) -> None:
    """The scenario, the deployment and the state have to go together."""
    with pytest.raises(InputError, match="fault") as refused:
        load_state(state_file(**keys), load_scenario("smoke"), deployment)
    assert words in str(refused.value)


def test_a_time_on_the_clock_is_the_first_after_the_opening(
    state_file: Callable[..., Path],
) -> None:
    """The doors of 2020 opened at 19:00."""
    prakerja, national = load_scenario("prakerja-2020"), load_deployment("national")
    for text, hour in (("19:00", 0), ("09:00", 14), ("18:30", 23.5)):
        state = load_state(state_file(at=text, identity_queued=0), prakerja, national)
        assert state.at_s == hour * 3600


LINE = {
    "carried": 2_000, "drained": 2, "replications": 3, "drained_at_h": None,
    "first_drained_at_h": 20.0, "last_drained_at_h": 30.5, "peak": 2_500, "peak_at_h": 15.0,
    "per_s": 8.4, "needed_per_s": 11.25, "gave_up": {"least": 3, "mean": 5.0, "most": 9},
    "endings": {"gave_up": 5.0, "finished": 1_995.0}, "line": {"hours": [14.0, 40.0]},
}  # fmt: skip


def test_where_some_replications_drain_a_line_there_is_no_mean() -> None:
    """How many do and when; what would be needed for the others."""
    state = {"opens_h": 19.0, "at_h": 14.0}
    assert answer(state, "identity", LINE) == (
        "The registry's queue of 2,000 is drained in 2 of 3 replications, between hour 20.00 "
        "(day 2, 15:00) and hour 30.50 (day 3, 01:30); in the others not before the horizon, "
        "hour 40.00 (day 3, 11:00); 8.4 checks a second leave it, 11.2 would be needed"
    )
    assert interval(LINE) == ""
    assert peak(state, LINE) == "Its peak is 2,500 at hour 15.00 (day 2, 10:00)"
    assert became(LINE) == ("Of the 2,000 who stood in it 5 gave up (3 to 9); 1,995 came through")
    assert moment({"opens_h": 0.0}, 24.0) == "hour 24.00 (day 2, 00:00)"
    assert moment({"opens_h": 0.0}, 0.05) == "180 s after the opening (day 1, 00:03)"
