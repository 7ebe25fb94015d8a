"""Reads the options of `surge load` into the plan of a campaign."""

import argparse

from harness.run_directory import fresh_run_dir
from harness.walk import Options, read_walk
from loadtests.campaign import CampaignPlan
from loadtests.options import headers_of
from loadtests.protocol import DEFAULT
from loadtests.target import check_ownership
from workload.errors import InputError

#: Where a machine has more cores than that, several machines are meant.
MOST_WORKERS = 256


def read_plan(arguments: argparse.Namespace) -> CampaignPlan:
    """The plan; `target` is '' where a system of our own is meant. InputError with every fault."""
    options = Options(arguments)
    walk = read_walk(options)
    headers = _headers(options, arguments.header)
    if arguments.target is None and arguments.yes_i_own:
        options.fault("yes_i_own", arguments.yes_i_own, "it goes with --target URL")
    if arguments.target is not None and arguments.pairs:
        remedy = "these are settings of a system that surge starts: leave them out, or --target"
        options.fault("set", ", ".join(arguments.pairs), remedy)
    drain_s, workers = options.span("drain"), options.whole("workers", 1, MOST_WORKERS)
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
        protocol=arguments.protocol or DEFAULT,
        headers=headers,
        mailbox=arguments.mailbox,
        yes_i_own=arguments.yes_i_own,
    )


def _headers(options: Options, lines: list[str]) -> dict[str, str]:
    try:
        return headers_of(lines)
    except InputError as error:
        options.faults += error.faults
        return {}
