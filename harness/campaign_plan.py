"""Reads the options of `surge load` into the plan of a campaign."""

import argparse

from harness.ports import LOOPBACK
from harness.run_directory import fresh_run_dir
from harness.several_machines import read_company
from harness.walk import Options, read_walk
from loadtests.campaign import CampaignPlan
from loadtests.live import Address, check_address
from loadtests.options import headers_of
from loadtests.protocol import DEFAULT
from loadtests.target import check_ownership
from workload.errors import Fault, InputError

#: Where a machine has more cores than that, several machines are meant.
MOST_WORKERS = 256


def read_plan(arguments: argparse.Namespace) -> CampaignPlan:
    """The plan; `target` is '' where a system of our own is meant. InputError with every fault."""
    options = Options(arguments)
    if arguments.scenario is None:
        remedy = "name a built-in scenario (`surge scenario list`) or a TOML file"
        raise InputError("options", [Fault("SCENARIO", "", remedy)])
    walk = read_walk(options)
    headers = _headers(options, arguments.header)
    if arguments.target is None and arguments.yes_i_own:
        options.fault("yes_i_own", arguments.yes_i_own, "it goes with --target URL")
    if arguments.target is not None and arguments.pairs:
        remedy = "these are settings of a system that surge starts: leave them out, or --target"
        options.fault("set", ", ".join(arguments.pairs), remedy)
    joining, listen = read_company(options)
    drain_s = options.span("drain")
    workers = options.whole("workers", 0 if joining else 1, MOST_WORKERS)
    page = _page(options)
    options.done()
    if arguments.target is not None:
        check_ownership(arguments.target, arguments.yes_i_own)
    return CampaignPlan(
        scenario=walk.scenario,
        target=arguments.target or "",
        run_dir=fresh_run_dir(arguments.run_dir, walk.scenario.name),
        window_s=walk.bending.window_s,
        thin=walk.bending.thin,
        population=walk.bending.population,
        speed=walk.bending.speed,
        pauses=walk.bending.pauses,
        drain_s=drain_s,
        workers=workers,
        joining=joining,
        listen=listen,
        protocol=arguments.protocol or DEFAULT,
        headers=headers,
        mailbox=arguments.mailbox,
        yes_i_own=arguments.yes_i_own,
        page=page,
    )


def _page(options: Options) -> Address | None:
    """Where Prometheus may watch; None for nowhere."""
    if options.arguments.metrics_port is None:
        return None
    address = (LOOPBACK, options.whole("metrics_port", 1, 65535))
    try:
        check_address(address)
    except InputError as error:
        options.faults += [Fault("--metrics-port", f.value, f.remedy) for f in error.faults]
    return address


def _headers(options: Options, lines: list[str]) -> dict[str, str]:
    try:
        return headers_of(lines)
    except InputError as error:
        options.faults += error.faults
        return {}
