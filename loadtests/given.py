"""What a run of Locust was given: by a campaign through the environment, or by hand as options."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.live import Address
from loadtests.options import orders_from, page_from
from loadtests.orders import GIVEN, Orders
from loadtests.rundir import CampaignResult, make_run_dir
from loadtests.target import capacity_of, wait_until_ready
from workload.errors import Fault, InputError


@dataclass(frozen=True)
class Given:
    """``by_hand``: nobody else will finish the run directory. ``page``: for Prometheus."""

    orders: Orders
    capacity: Mapping[str, Any]
    run_dir: Path
    by_hand: bool
    page: Address | None = None


def given_by_campaign() -> Given | None:
    """What stands in the environment; None when there is no campaign."""
    if GIVEN not in os.environ:
        return None
    given = json.loads(os.environ[GIVEN])
    orders = Orders.read(given["orders"])
    page = tuple(given["page"]) if given.get("page") else None
    return Given(orders, given["capacity"], Path(given["run_dir"]), by_hand=False, page=page)


def given_by_hand(environment: Any) -> Given:
    """What Locust's options say; waits for the target, and makes the run directory.

    Raises InputError for a bad option, InvalidRunError for a target that is not healthy.
    """
    options, host = environment.parsed_options, environment.host or ""
    if not host:
        raise InputError("target", [Fault("host", host, "give --host http://HOST:PORT")])
    orders = orders_from(options, host)
    page = page_from(options)
    wait_until_ready(host, orders.headers)
    capacity = capacity_of(host, orders.headers)
    if not orders.mailbox:
        orders = replace(orders, mailbox=str(capacity.get("mailbox", "")))
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    run_dir = Path(options.run_dir or f"runs/{orders.scenario['name']}-{moment}")
    make_run_dir(run_dir)
    return Given(orders, capacity, run_dir, by_hand=True, page=page)


def told(result: CampaignResult) -> str:
    """The result in a few lines for people."""
    lines = [f"run {result.manifest.status}: {result.run_dir}"]
    lines += [f"  {reason}" for reason in result.manifest.reasons]
    lines += [f"  {v.answer}: {v.objective.text} ({v.value:g})" for v in result.verdicts]
    return "\n".join(lines) + "\n"
