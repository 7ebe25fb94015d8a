"""`surge plan`, `surge cliff` and `simulate --against`: what is printed, written and refused."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.plan_tables import nobody_asked, show_bounds
from harness.projecting import Asked
from harness.projection_tables import show_unstable
from harness.walk import Walk
from simulation.bounds import bounds_of
from simulation.deployment import Deployment
from simulation.projection import Projection
from simulation.replication import Question, Replication
from tests.harness.report_runs import words_of, write_projection
from tests.simulation import upstream_bound
from tests.simulation.test_calls_and_draw import asked
from workload.manifest import Bending
from workload.summary import Summary

Verb = Callable[..., Any]
Faults = Callable[[Any], list[str]]
PROFILE = """
schema = "surge/deployment/1"
name = "small"
registry_slots = 16
registry_quota_per_s = {quota}
identity_check = "{check}"
[prices]
replica = 100
database_core = 50
registry_slot = 10
"""


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """The model of `upstream_bound`."""
    return upstream_bound.model().write(tmp_path / "upstream.json")


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Its wave, with a backlog to keep."""
    file = tmp_path / "upstream.toml"
    wave = upstream_bound.scenario(objectives=("backlog identity < 2min",))
    file.write_text(wave.to_toml())
    return file


@pytest.fixture
def queued(tmp_path: Path) -> Path:
    """A deployment whose checks stand in a durable queue."""
    file = tmp_path / "queued.toml"
    file.write_text(PROFILE.format(quota=25, check="queued"))
    return file


@pytest.fixture
def inline(tmp_path: Path) -> Path:
    """A deployment whose requests wait for the registry."""
    file = tmp_path / "inline.toml"
    file.write_text(PROFILE.format(quota=0, check="inline"))
    return file


def test_bounds_say_what_agents_are_offered_and_what_the_draw_brings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The call centre below the journey's stations, and the rush after the draw in a sentence."""
    show_bounds(bounds_of(asked(share=0.5, agents=10)))
    told = " ".join(capsys.readouterr().err.split())
    assert "call_centre" in told
    assert "By the bound, after the draw 5,400 people look for their result, 85.96 a second" in told


def test_a_projection_says_what_is_unstable_and_what_it_does_not_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Agents who are too few, and the rush after a draw that lies beyond the record."""
    question = asked(drawn_s=5000, share=0.5, agents=10)
    walk = Walk(question.scenario, question.bending)
    show_unstable(Asked(question, walk, Path("model.json"), "wave", "small"))
    told = " ".join(capsys.readouterr().err.split())
    assert "Unstable, by the bound: call_centre is offered" in told
    assert "Not simulated: after the draw 5,400 people look for their result" in told
    show_unstable(Asked(asked(), walk, Path("model.json"), "wave", "small"))
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_plan_is_as_documented_and_says_what_to_buy(
    verb: Verb, model_file: Path, scenario: Path, queued: Path, tmp_path: Path, json_faults: Faults
) -> None:
    """Exit 0; settings, cost, bounds, verdicts, what breaks next, the cliff; and in a report."""
    answer = verb(
        "plan", str(scenario), "--model", str(model_file), "--deployment", str(queued),
        "--confirm", "2", "--horizon", "30m", "--screen", "morris", "--json",
    )  # fmt: skip
    found = answer.found
    assert answer.code == 0, answer.told
    assert json_faults(found) == []
    factors = [one["name"] for one in found["screening"]["factors"]]
    assert set(factors[:3]) == {"demand", "registry_slots", "registry_quota_per_s"}
    assert "What matters most" in answer.told
    slots = found["cheapest"]["registry_slots"]
    assert found["cost"] == 100 + 50 + 10 * slots
    assert found["objectives"][0]["verdict"] == "met"
    assert found["confirm"] == {"wanted": 2, "done": 2}
    assert found["next"][0]["broken"] == ["backlog identity < 2min"]
    waves = next(one for one in found["exchange_rates"] if "waves" in one["policy"])
    assert waves["saved"] == pytest.approx(waves["before"] - waves["after"])
    assert waves["sentence"] in answer.told
    for words in ("The cheapest deployment", "Operational bounds", "What breaks next",
                  "Bottleneck: registry", "Confirmed by 2 of 2 replications"):  # fmt: skip
        assert words in answer.told
    again = next(line for line in answer.told.splitlines() if "surge simulate" in line)
    command = shlex.split(again)[1:]
    command[command.index("--replications") + 1] = "2"
    confirmed = verb(*command, "--json")
    assert confirmed.code == 0, confirmed.told
    assert confirmed.found["deployment"] == found["deployment"]
    assert confirmed.found["objectives"][0]["value"] == found["objectives"][0]["value"]
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "plan.json").write_text(json.dumps(found))
    write_projection(tmp_path / "demo", collapses=0, replications=10)
    page = words_of(tmp_path / "demo").of["next"]
    assert f"it costs {found['cost']:,.0f}" in page
    assert "The cliff" in page
    assert waves["sentence"] in page
    assert "What more demand breaks" in page


def test_a_collapse_that_no_objective_judges_is_told() -> None:
    """A plan may meet its objectives and lose people: it says so, and what to add."""
    counted = Summary(1.0, 1.0, (), 0, {}, {})
    some = [Replication(seed, counted, {}, 100, 6 * seed, 0, 0, 0.0, "") for seed in (0, 1, 2)]

    def told(objectives: tuple[str, ...], runs: list[Replication]) -> str:
        wave = upstream_bound.scenario(objectives=objectives)
        question = Question(wave, upstream_bound.model(), Deployment(), Bending((0.0, 1.0)))
        return "\n".join(nobody_asked(Projection(question, tuple(runs))))

    unasked = told(("backlog identity < 2min",), some)
    assert "Up to 12.00% of the people are lost" in unasked
    assert 'add "p_collapse < 1%"' in unasked
    assert told(("p_collapse < 5%",), some) == ""
    assert told((), some[:1]) == ""


def test_a_given_quota_that_is_too_small_exits_2_with_the_proof(
    verb: Verb, model_file: Path, scenario: Path, queued: Path
) -> None:
    """8 a second for 12 a second."""
    answer = verb(
        "plan", str(scenario), "--model", str(model_file), "--deployment", str(queued),
        "--fixed", "registry_quota_per_s=8", "--horizon", "30m",
    )  # fmt: skip
    assert answer.code == 2
    assert "no deployment can meet these objectives" in answer.told
    assert "times what it can do (8 a second)" in answer.told


def test_a_search_without_time_exits_3(
    verb: Verb, model_file: Path, scenario: Path, queued: Path
) -> None:
    """It says what would help."""
    answer = verb(
        "plan", str(scenario), "--model", str(model_file), "--deployment", str(queued),
        "--max-wall", "0.001s",
    )  # fmt: skip
    assert answer.code == 3
    assert "--max-wall" in answer.told


def test_a_simulation_without_time_exits_3_and_names_what_is_unstable(
    verb: Verb, model_file: Path, scenario: Path, queued: Path
) -> None:
    """8 checks a second for 12: which station, and by how much; no endless run."""
    answer = verb(
        "simulate", str(scenario), "--model", str(model_file), "--deployment", str(queued),
        "--set", "registry_quota_per_s=8", "--max-wall", "0.000001s",
    )  # fmt: skip
    assert answer.code == 3
    assert "no answer within 1e-06 s" in answer.told
    assert "unstable: registry_quota is offered 1.5" in answer.told
    assert "times what it can do (8 a second)" in answer.told
    stable = verb(
        "simulate", str(scenario), "--model", str(model_file), "--deployment", str(queued),
        "--max-wall", "0.000001s",
    )  # fmt: skip
    assert stable.code == 3
    assert "unstable" not in stable.told


def test_a_simulation_refuses_a_time_that_is_none(
    verb: Verb, model_file: Path, scenario: Path
) -> None:
    """Exit 2, naming the option."""
    answer = verb("simulate", str(scenario), "--model", str(model_file), "--max-wall", "0s")
    assert answer.code == 2
    assert "--max-wall" in answer.told


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--confirm", "0"), "--confirm"),
        (("--fixed", "registry_slot=3"), "--fixed.registry_slot = 3: unknown key; did you mean"),
        (("--max-wall", "soon"), "--max-wall"),
    ],
)
def test_faulty_options_of_a_plan_exit_2(
    verb: Verb, model_file: Path, scenario: Path, extra: tuple[str, ...], words: str
) -> None:
    """Each says which."""
    answer = verb("plan", str(scenario), "--model", str(model_file), *extra)
    assert answer.code == 2
    assert words in answer.told


@pytest.mark.slow
def test_a_cliff_is_as_documented_and_drawn(
    verb: Verb, model_file: Path, scenario: Path, inline: Path, tmp_path: Path, json_faults: Faults
) -> None:
    """Exit 0: 18 slots lie on the safe side; the title of the picture is the answer."""
    picture = tmp_path / "cliff.svg"
    answer = verb(
        "cliff", str(scenario), "--model", str(model_file), "--deployment", str(inline),
        "--set", "registry_slots=18", "--over", "registry_slots=12..20:2", "--and", "attempts=2,4",
        "--replications", "6", "--horizon", "30m", "-o", str(picture), "--json",
    )  # fmt: skip
    found = answer.found
    assert answer.code == 0, answer.told
    assert json_faults(found) == []
    assert len(found["points"]) == 10
    assert all(edge["units"] > 0 for edge in found["edges"])
    assert "on the safe side" in found["answer"]
    assert found["answer"].split(";")[0][:30] in picture.read_text().replace("&#x27;", "'")
    assert "6/6" in answer.told


def test_beyond_the_edge_exits_1_and_a_png_is_drawn(
    verb: Verb, model_file: Path, scenario: Path, inline: Path, tmp_path: Path
) -> None:
    """Own value 10, edge at 10: zero units away."""
    picture = tmp_path / "cliff.png"
    answer = verb(
        "cliff", str(scenario), "--model", str(model_file), "--deployment", str(inline),
        "--set", "registry_slots=10", "--over", "registry_slots=10,24", "--replications", "1",
        "--horizon", "30m", "-o", str(picture),
    )  # fmt: skip
    assert answer.code == 1, answer.told
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "beyond the edge" in answer.told


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--over", "moons=1..3"), "name one of"),
        (("--over", "attempts=1,2", "--and", "attempts=3"), "already"),
        (("--over", "attempts=1,2", "-o", "map.pdf"), ".svg or .png"),
        (("--over", "attempts=1..60", "--and", "registry_slots=1..60"), "at most 2000"),
    ],
)
def test_faulty_options_of_a_cliff_exit_2(
    verb: Verb, model_file: Path, scenario: Path, extra: tuple[str, ...], words: str
) -> None:
    """Each says which."""
    answer = verb("cliff", str(scenario), "--model", str(model_file), *extra)
    assert answer.code == 2
    assert words in answer.told


def test_a_what_if_runs_on_the_same_luck_and_says_what_that_saved(
    verb: Verb, model_file: Path, scenario: Path, inline: Path, json_faults: Faults
) -> None:
    """24 slots against 22: the wait grows, and far fewer seeds are needed to know it."""
    answer = verb(
        "simulate", str(scenario), "--model", str(model_file), "--deployment", str(inline),
        "--set", "registry_slots=24", "--against", "registry_slots=22", "--replications", "4",
        "--horizon", "30m", "--json",
    )  # fmt: skip
    found = answer.found
    assert json_faults(found) == []
    rows = {one["name"]: one for one in found["against"]["differences"]}
    assert rows["mean wait registry_client"]["difference"] > 0
    assert found["against"]["compared"] == 4
    assert "What if registry_slots=22?" in answer.told
    assert "Pairing saved ×" in answer.told


def test_a_simulation_says_which_station_is_unstable_and_by_how_much(
    verb: Verb, model_file: Path, scenario: Path, queued: Path
) -> None:
    """A quota of 15 for 20 a second in the busiest minute."""
    answer = verb(
        "simulate", str(scenario), "--model", str(model_file), "--deployment", str(queued),
        "--set", "registry_quota_per_s=15", "--horizon", "1h",
    )  # fmt: skip
    assert "Unstable, by the bound: registry_quota is offered 5" in answer.told
    assert "the longest wait is at least" in answer.told


def test_a_what_if_of_one_seed_is_refused(
    verb: Verb, model_file: Path, scenario: Path, inline: Path
) -> None:
    """There is no interval."""
    answer = verb(
        "simulate", str(scenario), "--model", str(model_file), "--deployment", str(inline),
        "--against", "registry_slots=22", "--horizon", "30m",
    )  # fmt: skip
    assert answer.code == 2
    assert "--replications" in answer.told


@pytest.mark.slow
def test_two_outcomes_are_told_apart_in_a_projection(
    verb: Verb, model_file: Path, scenario: Path, inline: Path, json_faults: Faults
) -> None:
    """14 slots: what those lose that collapse, and those that do not; nothing merged."""
    answer = verb(
        "simulate", str(scenario), "--model", str(model_file), "--deployment", str(inline),
        "--set", "registry_slots=14", "--replications", "12", "--horizon", "30m", "--json",
    )  # fmt: skip
    found = answer.found
    assert json_faults(found) == []
    assert found["two_peaked"]
    assert found["against"] is None
    assert found["stations"]["registry_client"]["mean_wait_s"] is None
    assert "that collapse lose" in answer.told
    assert "that do not lose 0" in answer.told
    json.dumps(found, allow_nan=False)
