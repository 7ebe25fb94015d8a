"""The options that `locust -f loadtests/locustfile.py` takes beside Locust's own."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from string import Template
from typing import Any

from loadtests.live import Address, check_address
from loadtests.orders import Orders
from loadtests.protocol import DEFAULT, anywhere
from workload.draws import seed_from
from workload.errors import Fault, InputError
from workload.manifest import Bending
from workload.reader import seconds
from workload.scenario import Scenario, load_scenario


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    group = parser.add_argument_group("Surge", "what is walked, and how it is bent")
    add = group.add_argument
    add("--scenario", default="smoke", help="a built-in scenario or a TOML file (smoke)")
    add("--reading", default="", help="one of the scenario's readings")
    add("--window", default="", help="a stretch of the arrival curve, such as 0m..2m (all of it)")
    add("--thin", type=float, default=1.0, help="share of the visitors that take part (1)")
    add("--pauses", type=float, default=1.0, help="pauses times this (1)")
    add("--speed", type=float, default=1.0, help="arrivals and pauses divided by this (1)")
    add("--population", type=float, default=0.0, help="rescale the curve to so many people")
    add("--seed", default="", help="another luck than the scenario's")
    add("--drain", default="60s", help="how long visits may go on after the window (60s)")
    add("--run-dir", default="", help="where the record goes (runs/SCENARIO-TIME)")
    add("--header", action="append", default=[], help="NAME: VALUE for every request; repeatable")
    add("--protocol", default=DEFAULT, help="module:Class or file.py:Class for your service")
    add("--mailbox", default="", help="URL of the mailbox (what the target's /capacity says)")
    add("--metrics-port", type=int, default=0, help="a page for Prometheus during the run (none)")
    add("--metrics-host", default="127.0.0.1", help="where that page listens (127.0.0.1)")


def orders_from(options: Any, target: str) -> Orders:
    """The orders that the options stand for; InputError or ScenarioError for bad ones."""
    scenario = load_scenario(options.scenario, options.reading or None)
    if options.seed:
        scenario = scenario.with_seed(_seed(options.seed))
    bending = Bending(
        window_s=window_of(options.window, scenario),
        thin=_above_zero("thin", options.thin),
        population=_from_zero("population", options.population) or None,
        speed=_above_zero("speed", options.speed),
        pauses=_from_zero("pauses", options.pauses),
    )
    return Orders(
        scenario=scenario.table,
        reading=scenario.reading,
        bending=bending,
        target=target,
        mailbox=options.mailbox,
        protocol=anywhere(options.protocol),
        headers=headers_of(options.header),
        drain_s=_span("drain", options.drain),
    )


def page_from(options: Any) -> Address | None:
    """Where Prometheus may watch the run, None for nowhere; InputError when it can't be there."""
    if not options.metrics_port:
        return None
    address = (options.metrics_host, options.metrics_port)
    check_address(address)
    return address


def window_of(text: str, scenario: Scenario) -> tuple[float, float]:
    """'0m..2m' as seconds of the arrival curve; '' is all of it. InputError otherwise."""
    whole = (0.0, scenario.curve.duration_s)
    if not text:
        return whole
    start, dots, end = text.partition("..")
    remedy = f"write START..END within 0..{whole[1]:g}s, such as 0m..2m"
    try:
        window = (seconds(start), seconds(end))
    except ValueError as error:
        raise InputError("window", [Fault("window", text, remedy)]) from error
    if not dots or not 0 <= window[0] < window[1] <= whole[1]:
        raise InputError("window", [Fault("window", text, remedy)])
    return window


def headers_of(lines: Iterable[str]) -> dict[str, str]:
    """'NAME: VALUE' lines as a dict; ``${NAME}`` in a value is taken from the environment."""
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        try:
            filled = Template(value.strip()).substitute(os.environ)
        except (KeyError, ValueError) as error:
            remedy = "set the variable that it names, and write $$ for a dollar"
            raise InputError("header", [Fault("header", line, remedy)]) from error
        if not colon or not name.strip():
            raise InputError("header", [Fault("header", line, "write NAME: VALUE")])
        found[name.strip()] = filled
    return found


def _seed(text: str) -> int:
    try:
        return seed_from(text)
    except ValueError as error:
        remedy = "write a whole number from 0 to 2**63 - 1"
        raise InputError("seed", [Fault("seed", text, remedy)]) from error


def _span(key: str, text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise InputError(key, [Fault(key, text, str(error))]) from error


def _from_zero(key: str, value: float) -> float:
    if value < 0:
        raise InputError(key, [Fault(key, value, "write a number from 0 up")])
    return value


def _above_zero(key: str, value: float) -> float:
    if value <= 0:
        raise InputError(key, [Fault(key, value, "write a number above 0")])
    return value
