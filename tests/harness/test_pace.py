"""The machine's pace: how it is told, and what it does to what is learned and predicted."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from harness.measuring import deployment_of, question_of
from harness.pace import main, powers
from harness.stored_runs import HOME, model_of
from simulation.calibrate import calibrate_runs
from simulation.evidence import Ratio, Run, Window, fit, read_run, windows
from simulation.pace import (
    DATABASE,
    GENERATOR,
    SERVICE,
    WORKER,
    at_pace,
    mail_cost_s,
    pace_of,
    paced,
)
from simulation.projection import replicate
from workload.scenario import load_scenario
from workload.telemetry import Telemetry

READ = 'surge_twin_requests_total{status="200"}'
LOW = ("low-1", "low-2", "low-3", "pulses")
CPU = {
    ("service", "process_cpu_seconds_total"): SERVICE,
    ("service", "surge_flush_cpu_seconds_total"): SERVICE,
    ("worker", "process_cpu_seconds_total"): WORKER,
    ("worker", "surge_database_cpu_seconds_total"): DATABASE,
    ("generator", "surge_generator_cpu_seconds_total"): GENERATOR,
    ("mailbox", "process_cpu_seconds_total"): 1.0,
    ("registry", "process_cpu_seconds_total"): 1.0,
}


@pytest.fixture(scope="module")
def low() -> list[Run]:
    return [read_run(HOME / "one-core-2" / name) for name in LOW]


def dearer(run: Run, pace: float) -> Run:
    """The same run on a machine that is so many times as dear."""
    samples = {
        key: (at_ns, values * pace ** CPU.get((key[0], key[1].partition("{")[0]), 0.0))
        for key, (at_ns, values) in run.telemetry.samples.items()
    }
    return replace(run, telemetry=Telemetry(samples))


def test_a_mail_tells_how_dear_the_machine_was(low: list[Run]) -> None:
    """In the stored record the second level was measured while the machine was cheaper."""
    cost = [mail_cost_s(windows([run])) for run in low]
    assert cost[0] / cost[1] > 1.2
    assert [round(w.pace / paced(windows(low))[0].pace, 6) for w in paced(windows(low))] == [
        round(one / cost[0], 6) for one in cost
    ]
    assert math.isnan(mail_cost_s([]))


def test_where_no_mailbox_tells_it_the_pace_is_one(low: list[Run]) -> None:
    """Whoever brings a service of his own has no twin that could tell."""
    silent = replace(low[0], telemetry=Telemetry({}))
    assert [window.pace for window in paced(windows([silent]))] == [1.0]
    assert pace_of([silent], calibrate_runs(low)) == 1.0


def test_where_other_mails_are_sent_the_pace_is_one(low: list[Run]) -> None:
    """A letter whose link is read back costs the twin more: planted, twice as many are."""
    model, run = calibrate_runs(low), low[1]
    assert pace_of([run], model) < 0.95
    samples = {
        key: (at_ns, values * (2.0 if key == ("mailbox", READ) else 1.0))
        for key, (at_ns, values) in run.telemetry.samples.items()
    }
    assert pace_of([replace(run, telemetry=Telemetry(samples))], model) == 1.0


def test_a_level_measured_on_a_dearer_machine_teaches_the_same_model(low: list[Run]) -> None:
    """Only the pace at which it is learned moves: costs at one and the same pace are equal."""
    usual = calibrate_runs(low)
    other = calibrate_runs([*(dearer(run, 1.3) for run in low[:2]), *low[2:]])
    then = at_pace(other, usual.twin_mail_s / other.twin_mail_s)
    for name in ("wake_s", "flush_base_s", "write_base_s", "mail_cpu_s", "send_s", "twin_mail_s"):
        assert getattr(then, name) == pytest.approx(getattr(usual, name), rel=0.03), name
    assert then.steps["register"].before.mean_s == pytest.approx(
        usual.steps["register"].before.mean_s, rel=0.02
    )


def test_a_dearer_machine_makes_visitors_wait_longer_and_keeps_what_is_no_processor_time() -> None:
    model = model_of(HOME / "one-core-2")
    dear = at_pace(model, 1.2)
    assert (dear.commit, dear.registry, dear.network_s) == (
        model.commit, model.registry, model.network_s,
    )  # fmt: skip
    assert at_pace(dear, 1 / 1.2).wake_s == pytest.approx(model.wake_s)
    run = read_run(HOME / "one-core-2" / "low-3")
    scenario = load_scenario(str(HOME / "one-core-2" / "held-out-1" / "scenario.toml"), None)
    p50 = [
        replicate(
            question_of(scenario, one, deployment_of(run), run.manifest.bending, run.manifest.seed),
            run.manifest.seed,
        ).summary.steps[1].latency.quantile(0.5)
        for one in (model, dear)
    ]  # fmt: skip
    assert p50[1] > 1.05 * p50[0]


def test_a_usual_ratio_decides_only_what_the_levels_do_not_tell() -> None:
    """Two costs that always grow together stand as usual; counts that differ overrule it."""
    usual = Ratio("wake", "request", 0.5)
    together = fit([3.0, 6.0], {"request": [1.0, 2.0], "wake": [1.0, 2.0]}, usual)
    assert together["request"] == pytest.approx(2.0, rel=0.01)
    assert together["wake"] == pytest.approx(1.0, rel=0.01)
    apart = {"request": [1.0, 1.0, 9.0, 9.0], "wake": [9.0, 9.0, 1.0, 1.0]}
    told = fit([19.0, 19.0, 11.0, 11.0], apart, usual)
    assert told["wake"] / told["request"] > 1.3


def test_powers_are_found_again(low: list[Run]) -> None:
    """Hidden: every process grows with the power that the product uses."""
    runs = [dearer(run, pace) for pace in (0.7, 1.0, 1.4, 2.0) for run in low[:3]]
    held: list[Window] = windows(runs)
    for one in powers(held):
        assert one.found == pytest.approx(one.used, abs=0.1), one.process
        assert one.spread < one.before


def test_powers_want_more_than_one_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "levels" in capsys.readouterr().err
