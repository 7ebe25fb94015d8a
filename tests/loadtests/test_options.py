"""Options and orders: bad ones are named with their remedy, and workers are told all they need."""

import argparse
import json
from typing import Any

import numpy as np
import pytest

from loadtests.options import add_options, headers_of, orders_from
from loadtests.orders import Orders, check_mailbox
from workload.coming import coming
from workload.errors import InputError, ScenarioError
from workload.manifest import Bending
from workload.scenario import load_scenario

TARGET = "http://127.0.0.1:1"


def orders(*options: str) -> Orders:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return orders_from(parser.parse_args(options), TARGET)


def test_without_options_it_is_the_whole_smoke_scenario_as_written() -> None:
    """Nothing is bent."""
    given = orders()
    assert given.load().name == "smoke"
    assert given.bending == Bending((0.0, 30.0))
    assert given.target == TARGET
    assert given.window_s == 30.0


def test_every_option_reaches_the_orders() -> None:
    """And, of those, the window is a stretch of the curve, shorter in real time when sped up."""
    given = orders(
        "--scenario", "prakerja-2020", "--reading", "counts", "--window", "1m..2.5m",
        "--thin", "0.5", "--pauses", "0.01", "--speed", "3", "--population", "10000",
        "--seed", "77", "--drain", "5s", "--header", "X-A: b", "--protocol", "a:B",
        "--mailbox", "http://m",
    )  # fmt: skip
    assert given.bending == Bending((60.0, 150.0), 0.5, 10000.0, 3.0, 0.01)
    assert given.window_s == 30.0
    scenario = given.load()
    assert (scenario.reading, scenario.seed, scenario.curve.population) == ("counts", 77, 10000.0)
    assert (given.drain_s, given.protocol, given.mailbox) == (5.0, "a:B", "http://m")
    assert given.headers == {"X-A": "b"}


def test_orders_survive_the_way_to_another_host() -> None:
    """As JSON and back they are the same, and so is the scenario's fingerprint."""
    given = orders("--scenario", "prakerja-2020", "--window", "0s..60s", "--header", "X-A: b")
    read = Orders.read(json.loads(json.dumps(given.plain())))
    assert read == given
    assert read.load().fingerprint == load_scenario("prakerja-2020").fingerprint


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("window", "5s..2s", "within 0..30s"),
        ("window", "0s..31s", "within 0..30s"),
        ("window", "10s", "within 0..30s"),
        ("window", "a..b", "such as 0m..2m"),
        ("seed", "1.5", "whole number"),
        ("seed", "-1", "whole number"),
        ("thin", "0", "above 0"),
        ("speed", "-1", "above 0"),
        ("pauses", "-1", "from 0"),
        ("population", "-5", "from 0"),
        ("drain", "soon", "'30s'"),
        ("header", "no colon", "NAME: VALUE"),
        ("header", "X: ${NOT_SET_ANYWHERE}", "set the variable"),
    ],
)
def test_a_bad_option_is_named_with_its_remedy(option: str, value: str, remedy: str) -> None:
    """InputError: exit 2."""
    with pytest.raises(InputError, match=remedy) as caught:
        orders(f"--{option}={value}")
    assert caught.value.faults[0].key == option


def test_a_scenario_that_is_not_there_is_named() -> None:
    """With those that are."""
    with pytest.raises(ScenarioError, match="smoke"):
        orders("--scenario", "nowhere")


def test_secrets_of_headers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line of a process is public, its environment is not."""
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    lines = ["Authorization: Bearer ${SHOP_TOKEN}", "X-Price: $$5"]
    assert headers_of(lines) == {"Authorization": "Bearer s3cret", "X-Price": "$5"}


def test_a_journey_that_waits_for_mail_needs_a_mailbox() -> None:
    """One without mail does not."""
    with pytest.raises(InputError, match="verify_email, await_identity wait for mail"):
        check_mailbox(orders())
    check_mailbox(orders("--mailbox", "http://m"))
    one = {"steps": [{"name": "open_site"}], "objectives": []}
    table: dict[str, Any] = {**orders().scenario, **one}
    check_mailbox(Orders(table, "", Bending((0, 1)), TARGET))


def arrivals(**bent: Any) -> Any:
    scenario, bending = load_scenario("smoke"), Bending(**{"window_s": (0.0, 30.0), **bent})
    return coming(scenario, scenario.seed, bending).everybody


def test_a_window_moves_arrivals_to_run_time_zero_and_keeps_who_comes() -> None:
    """Visitor and instant belong together; the window's start becomes 0."""
    whole, part = arrivals(), arrivals(window_s=(10.0, 15.0))
    inside = (whole.at_ns >= 10e9) & (whole.at_ns < 15e9)
    assert np.array_equal(part.index, whole.index[inside])
    assert np.array_equal(part.at_ns, whole.at_ns[inside] - 10_000_000_000)


def test_speed_divides_and_thinning_leaves_out() -> None:
    """Half of them, each at half the time; the same seed gives the same."""
    whole, bent = arrivals(), arrivals(speed=2.0, thin=0.5)
    assert set(bent.index) < set(whole.index)
    at = dict(zip(whole.index.tolist(), whole.at_ns.tolist(), strict=True))
    assert all(
        abs(ns - at[who] / 2) < 1000
        for who, ns in zip(bent.index.tolist(), bent.at_ns.tolist(), strict=True)
    )
    assert np.array_equal(bent.at_ns, arrivals(speed=2.0, thin=0.5).at_ns)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_workers_shares_cover_everybody_once(workers: int) -> None:
    """Nobody twice, nobody forgotten."""
    whole = arrivals()
    shares = [whole.slice(worker, workers) for worker in range(workers)]
    assert sorted(np.concatenate([share.index for share in shares])) == whole.index.tolist()
