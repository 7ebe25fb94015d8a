"""Scenarios: every fault at once, every default written, one fingerprint for one kind of visit."""

import copy
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.errors import InputError, ScenarioError
from workload.population import PROVINCES
from workload.scenario import BUILT_IN, Scenario, built_in, load_scenario, scenario_from

SMALL: dict[str, Any] = {
    "schema": "surge/scenario/1",
    "name": "small",
    "question": "Does it load?",
    "objectives": ["p(99) register < 800ms"],
    "arrivals": {"duration": "60s", "parts": [{"shape": "constant", "per_s": 5}]},
    "steps": [{"name": "open_site"}, {"name": "register", "pause": 2}],
    "readings": {
        "mild": {"why": "few leave", "drop_out": {"register": 0.1}},
        "harsh": {"why": "half leaves", "drop_out": {"register": 0.5}},
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    """SMALL with one value changed: `arrivals.parts.0.per_s`."""
    table: Any = copy.deepcopy(SMALL)
    *parents, last = path.split(".")
    at = table
    for parent in parents:
        at = at[int(parent)] if parent.isdigit() else at.setdefault(parent, {})
    at[int(last) if last.isdigit() else last] = value
    return dict(table)


def small(path: str = "name", value: object = "small", reading: str | None = None) -> Scenario:
    return scenario_from(changed(path, value), "a test", reading)


def faults(path: str, value: object) -> list[tuple[str, object, str]]:
    with pytest.raises(ScenarioError) as caught:
        small(path, value)
    return [(fault.key, fault.value, fault.remedy) for fault in caught.value.faults]


def test_three_faults_are_listed_at_once_with_key_value_and_remedy(tmp_path: Path) -> None:
    """As a person reads them, in one message."""
    path = tmp_path / "wave.toml"
    path.write_text(
        'schema = "surge/scenario/1"\nname = "wave"\nseed = "x"\n[arrivals]\nduration = "soon"\n'
        '[[arrivals.parts]]\nshape = "constant"\nper_s = 5\n[[steps]]\nname = "regsiter"\n'
    )
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    message = str(caught.value)
    assert message.splitlines()[0] == "scenario wave.toml: 3 faults"
    assert "  seed = 'x': write a whole number from 0" in message
    assert "  arrivals.duration = 'soon': write a span such as '30s', '2m' or '65h'" in message
    assert "  steps[0].name = 'regsiter': write one of open_site, register" in message
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    ("path", "value", "key", "remedy"),
    [
        ("schema", "surge/scenario/2", "schema", 'write "surge/scenario/1"'),
        ("seed", 1.5, "seed", "write a whole number from 0"),
        ("seed", -1, "seed", "write a whole number from 0"),
        ("seed", True, "seed", "write a whole number from 0"),
        ("tiemout", 1, "tiemout", "unknown key"),
        ("patience.tiemout_s", 1, "patience.tiemout_s", "did you mean `timeout_s`?"),
        ("patience.timeout_s", math.inf, "patience.timeout_s", "above 0 to 1e+08"),
        ("patience.attempts", 0, "patience.attempts", "from 1 to 1000"),
        ("patience", 5, "patience", "write a table: [patience]"),
        ("arrivals.duration", "0s", "arrivals.duration", "write a span above 0"),
        ("arrivals.duration", math.nan, "arrivals.duration", "write a span"),
        ("arrivals.population", 0, "arrivals.population", "write a number above 0"),
        ("arrivals.population", math.inf, "arrivals.population", "write a number above 0"),
        ("arrivals.opens_at", 19, "arrivals.opens_at", "write a time of day"),
        ("arrivals.parts", [], "arrivals.parts", "add one"),
        ("arrivals.parts", 5, "arrivals.parts", "write an array of tables"),
        ("arrivals.parts.0.shape", "sine", "arrivals.parts[0].shape", "one of constant, ramp"),
        ("arrivals.parts.0.per_s", -1, "arrivals.parts[0].per_s", "write a number from 0"),
        ("arrivals.parts.0.per_s", 0, "arrivals.parts", "add up to nobody"),
        ("arrivals.parts.0.start", "70s", "arrivals.parts[0].end", "must end after it starts"),
        ("arrivals.parts.0.start", -5, "arrivals.parts[0].start", "write a span"),
        ("arrivals.parts.0.per_m", 5, "arrivals.parts[0].per_m", "did you mean `per_s`?"),
        ("people.provinces", {"Java Barat": 1}, "people.provinces.Java Barat", "`Jawa Barat`?"),
        ("people.provinces", {"Bali": 0}, "people.provinces", "at least one province"),
        ("people.provinces", {"Bali": -1}, "people.provinces.Bali", "write a number from 0"),
        ("people.domain", "gmail.com", "people.domain", "write one of example.com"),
        ("people.mistyped", 1.1, "people.mistyped", "write a number from 0 to 1"),
        ("steps", [], "steps", "add one"),
        ("steps.1.name", "open_site", "steps", "each step once"),
        ("steps.0.name", "verify_email", "steps", "in the journey's order: register, verify_email"),
        ("steps.0.name", "call_support", "steps[0].name", "write one of open_site"),
        ("steps.0.drop_out", 0.5, "steps[0].drop_out", "lower `arrivals.population` instead"),
        ("steps.1.pause", "long", "steps[1].pause", "write seconds (30)"),
        ("steps.1.pause", {"mean_s": 1e6}, "steps[1].pause", "give a shorter one"),
        ("steps.1.mail", "spam", "steps[1].mail", "write one of none, verify, result"),
        ("steps.1.patience", {"mail": 5}, "steps[1].patience.mail", "did you mean `mail_s`?"),
        ("objectives", "p(99) register < 1s", "objectives", "write a list of text"),
        ("objectives.0", "register is fast", "objectives[0]", "write `p(99) register < 800ms`"),
        ("objectives.0", "p(99) join_wave < 1s", "objectives[0]", "names no step of this journey"),
        ("objectives.0", "backlog idenity < 2h", "objectives[0]", "write one of identity, mail"),
        ("checkpoints_h", [5, 5], "checkpoints_h", "ascending"),
        ("checkpoints_h", 21, "checkpoints_h", "write a list of hours"),
        ("checkpoints_h", [-1], "checkpoints_h", "write a number above 0"),
        ("reading", "gentle", "reading", "write one of mild, harsh"),
        ("readings.mild.drop_out", {"join_wave": 1}, "readings.mild.drop_out.join_wave", "known"),
        ("readings.mild.drop_out", {"open_site": 1}, "readings.mild.drop_out.open_site", "known"),
        ("readings.mild.published", [{"hour": 1}], "readings.mild.published[0].hours", "missing"),
        ("readings.mild.fitted", ["left"], "readings.mild.fitted", "write a list of registered"),
        ("readings.mild.fitted", "joined", "readings.mild.fitted", "write a list of registered"),
        ("journey", "mine", "journey", "write one of reference, own"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_key_and_the_remedy(
    path: str, value: object, key: str, remedy: str
) -> None:
    """For every part of a scenario."""
    found = {found_key: text for found_key, _, text in faults(path, value)}
    assert key in found
    assert remedy in found[key]


def test_a_fault_in_a_province_does_not_hide_one_beside_it() -> None:
    """Both are listed."""
    found = faults("people", {"provinces": {"Bali": 0}, "domian": "example.com"})
    assert [key for key, _, _ in found] == ["people.domian"]


def test_every_objective_that_is_not_understood_is_a_fault_of_its_own() -> None:
    """Two wrong ones, two faults."""
    found = faults("objectives", ["fast", "p(99) register < 1s", "cheap"])
    assert [(key, value) for key, value, _ in found] == [
        ("objectives[0]", "fast"),
        ("objectives[2]", "cheap"),
    ]


def test_a_name_that_is_no_scenario_suggests_one() -> None:
    """Nearest first, then all there are."""
    with pytest.raises(ScenarioError, match=r"did you mean `prakerja-2020`\? .*smoke"):
        load_scenario("prakerja")


def test_a_directory_is_no_scenario(tmp_path: Path) -> None:
    """Nor is a file that is not there."""
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ScenarioError, match="give a TOML file or one of"):
            load_scenario(path)


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_not_toml_says_so(tmp_path: Path, content: bytes) -> None:
    """Broken syntax, another encoding, a key given twice."""
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=r"file = 'broken.toml': not valid TOML"):
        load_scenario(path)


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_scenario_loads_and_says_what_question_it_answers(name: str) -> None:
    """By name; its name is its file's."""
    scenario = load_scenario(name)
    assert scenario.name == name
    assert len(scenario.question) > 40
    assert scenario.objectives


@pytest.mark.parametrize("name", built_in())
def test_a_scenario_survives_its_way_through_toml(name: str, tmp_path: Path) -> None:
    """What goes to a run directory is self-contained: the same scenario, the same fingerprint."""
    scenario = load_scenario(name).with_seed(99)
    path = tmp_path / "scenario.toml"
    path.write_text(scenario.to_toml(), encoding="utf-8")
    again = load_scenario(path)
    assert again == scenario
    assert again.fingerprint == scenario.fingerprint


def test_a_reading_that_was_asked_for_is_the_one_that_is_written(tmp_path: Path) -> None:
    """So a moved run directory keeps it."""
    path = tmp_path / "scenario.toml"
    path.write_text(load_scenario("prakerja-2020", reading="counts").to_toml(), encoding="utf-8")
    again = load_scenario(path)
    assert again.reading == "counts"
    assert again == load_scenario("prakerja-2020", reading="counts")


def test_every_default_is_written_out() -> None:
    """Those of each step's patience too: a later version may have other defaults."""
    table = small().table
    assert table["seed"] == 1
    assert table["journey"] == "reference"
    assert table["reading"] == "mild"
    assert table["arrivals"]["opens_at"] == "00:00"
    assert table["arrivals"]["parts"][0]["end"] == 60.0
    assert table["people"] == {
        "mistyped": 0.0,
        "domain": "example.com",
        "provinces": dict.fromkeys(PROVINCES.values(), 1.0),
    }
    assert table["steps"][0]["pause"] == 0
    assert table["steps"][0]["patience"] == table["patience"]
    assert table["patience"]["timeout_s"] == 10.0


def test_a_step_takes_what_it_leaves_out_from_the_scenarios_patience() -> None:
    """And the scenario's from the project's defaults."""
    table = changed("patience", {"timeout_s": 3.0, "attempts": 2})
    table["steps"][1]["patience"] = {"attempts": 7}
    first, second = scenario_from(table, "a test").journey.steps
    assert (first.patience.timeout_s, first.patience.attempts) == (3.0, 2)
    assert (second.patience.timeout_s, second.patience.attempts) == (3.0, 7)
    assert second.patience.connect_timeout_s == 5.0


def test_the_chosen_reading_sets_the_drop_out() -> None:
    """By default the first one; by name another; an explicit drop_out stays where it says none."""
    assert small().journey.steps[1].drop_out == 0.1
    assert small("reading", "harsh").journey.steps[1].drop_out == 0.5
    assert small(reading="harsh").journey.steps[1].drop_out == 0.5
    assert small("readings", {}).journey.steps[1].drop_out == 0.0


def test_a_reading_can_not_be_asked_of_a_scenario_without_any() -> None:
    """It would be ignored without a word."""
    with pytest.raises(
        ScenarioError, match=r"reading = 'counts': this scenario has no \[readings\]"
    ):
        load_scenario("smoke", reading="counts")
    with pytest.raises(ScenarioError, match="reading = 'x': write one of mild, harsh"):
        small(reading="x")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("arrivals.duration", "61s"),
        ("arrivals.population", 10),
        ("arrivals.deterministic", True),
        ("arrivals.opens_at", "07:00"),
        ("arrivals.parts.0.per_s", 6),
        ("people.mistyped", 0.1),
        ("people.domain", "example.id.invalid"),
        ("people.provinces", {"Bali": 1}),
        ("patience.timeout_s", 9),
        ("patience.jitter", 0.1),
        ("steps.1.pause", 3),
        ("steps.1.mail", "verify"),
        ("steps.1.polls", 1),
        ("steps.1.patience", {"attempts": 9}),
        ("reading", "harsh"),
        ("readings.mild.drop_out.register", 0.2),
    ],
)
def test_the_fingerprint_changes_with_what_shapes_a_visit(path: str, value: object) -> None:
    """So that two runs with one fingerprint can be compared visit by visit."""
    assert small(path, value).fingerprint != small().fingerprint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "other"),
        ("question", "Another?"),
        ("seed", 5),
        ("objectives", []),
        ("checkpoints_h", [1]),
        ("readings.mild.why", "other words"),
        ("readings.mild.fitted", ["joined"]),
        ("readings.harsh.drop_out.register", 0.9),
        ("patience.timeout_s", 10),
        ("steps.0.polls", 0),
    ],
)
def test_the_fingerprint_stays_with_prose_seed_and_judgement(path: str, value: object) -> None:
    """Nor does writing out a default change it."""
    assert small(path, value).fingerprint == small().fingerprint


def test_a_population_rescales_the_curve_and_keeps_the_fingerprint() -> None:
    """Population N is a bending of a run, written in its manifest."""
    scenario = small()
    larger = scenario.with_population(1e6)
    assert float(larger.curve.expected(0, 60)) == pytest.approx(1e6)
    assert (larger.fingerprint, larger.table) == (scenario.fingerprint, scenario.table)
    assert scenario.curve.population == pytest.approx(300)


@pytest.mark.parametrize("population", [0.0, -1.0, math.nan])
def test_a_population_of_nobody_is_a_fault(population: float) -> None:
    """With field, value and remedy."""
    with pytest.raises(ScenarioError, match=r"population = .*: give a number above 0"):
        small().with_population(population)


@given(st.integers(0, 2**63 - 1))
def test_a_seed_given_later_is_the_one_in_the_table(seed: int) -> None:
    """So the run directory tells it."""
    scenario = small().with_seed(seed)
    assert (scenario.seed, scenario.table["seed"]) == (seed, seed)
    assert scenario.fingerprint == small().fingerprint


def own(names: list[str]) -> dict[str, Any]:
    table = changed("journey", "own")
    table["steps"] = [{"name": name} for name in names]
    table["objectives"] = [f"p(95) {names[0]} < 1s", "backlog parcels < 1h"]
    table["readings"] = {}
    return table


def test_a_strangers_own_journey_names_its_steps_freely() -> None:
    """Any order, any identifier; its objectives speak of them."""
    scenario = scenario_from(own(["add_to_cart", "checkout", "open_site"]), "a test")
    assert scenario.journey.names == ("add_to_cart", "checkout", "open_site")
    assert scenario_from(tomllib.loads(scenario.to_toml()), "again") == scenario


@pytest.mark.parametrize(
    ("names", "key", "remedy"),
    [
        (["pay", "pay"], "steps", "a name of its own"),
        (["Pay"], "steps[0].name", "lower-case letters"),
        (["p y"], "steps[0].name", "lower-case letters"),
        (["1st"], "steps[0].name", "lower-case letters"),
    ],
)
def test_an_own_journeys_names_are_identifiers_and_unique(
    names: list[str], key: str, remedy: str
) -> None:
    """They become labels of metrics and words of objectives."""
    with pytest.raises(ScenarioError) as caught:
        scenario_from(own(names), "a test")
    found = {fault.key: fault.remedy for fault in caught.value.faults}
    assert remedy in found[key]


def test_built_in_scenarios_are_files_beside_the_code() -> None:
    """The nation's, the gate's and four shapes of load: a question each, in a paragraph."""
    assert {path.stem for path in BUILT_IN.glob("*.toml")} == set(built_in())
    six = {"prakerja-2020", "smoke", "spike", "soak", "step", "retry-storm"}
    assert set(built_in()) == six
    for name in six:
        question = load_scenario(name).question
        assert "?" in question
        assert len(question.split()) >= 30, name


def test_three_faults_are_told_as_three() -> None:
    """Each fault once, also where the scenario has no readings."""
    table = {
        "schema": "surge/scenario/1",
        "name": "x",
        "sed": 3,
        "arrivals": {"duration": "1x", "parts": [{"shape": "constant", "per_s": -2}]},
        "steps": [{"name": "open_site"}],
    }
    with pytest.raises(ScenarioError) as caught:
        scenario_from(table, "scenario x")
    keys = [fault.key for fault in caught.value.faults]
    assert keys == ["arrivals.duration", "arrivals.parts[0].per_s", "sed"]
    assert "3 faults" in str(caught.value)
    assert "did you mean `seed`?" in str(caught.value)
