"""`surge serve`: the reference system in the foreground, until Ctrl-C."""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from harness.interruption import end_on_any_wish
from harness.stack import Stack
from harness.stack_settings import USUAL_PORTS, Ports, StackSettings, with_pairs
from harness.verbs import Subparsers, declare

CHECK_EVERY_S = 0.2


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "serve",
        "run the reference system in the foreground: PostgreSQL, twins, service, worker",
        "surge serve --set pool=4 --set registry_twin_quota_per_s=20",
        about="Ctrl-C stops all of it, and nothing of it is kept. With DATABASE_URL set it makes a "
        "database of its own on that server, and drops it at the end.",
    )
    parser.add_argument("--port", type=int, metavar="N", help="of the service (default 8000)")
    parser.add_argument("--free-ports", action="store_true", help="take free ports for all parts")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="pairs",
        help="a setting of the system; an unknown NAME lists them all",
    )  # fmt: skip
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the logs of all parts there")
    parser.add_argument(
        "--json", action="store_true", help="one line on stdout once ready (surge/serve/1)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted (130), or until a part of the system dies (3)."""
    settings = with_pairs(StackSettings(), arguments.pairs)
    ports = Ports() if arguments.free_ports else USUAL_PORTS
    if arguments.port is not None:
        ports = replace(ports, service=arguments.port)
    end_on_any_wish()
    with Stack(settings, ports=ports, logs=arguments.logs) as stack:
        if arguments.json:
            print(json.dumps(description(stack)), flush=True)
        else:
            print(table(stack), file=sys.stderr, flush=True)
        while True:
            stack.check()
            time.sleep(CHECK_EVERY_S)


def description(stack: Stack) -> dict[str, object]:
    """`metrics` is the service's; `all_metrics` has one URL for each process that has any."""
    return {
        "schema": "surge/serve/1",
        "service": stack.service,
        "metrics": stack.metrics["service"],
        "registry": stack.registry,
        "mailbox": stack.mailbox,
        "photos": stack.photos,
        "pids": list(stack.pids.values()),
        "all_metrics": stack.metrics,
        "database": stack.database,
        "admin_token": stack.admin_token,
    }


def table(stack: Stack) -> str:
    rows = {
        "service": stack.service,
        "civil registry twin": stack.registry,
        "mailbox twin": f"{stack.mailbox} (SMTP on port {stack.ports.smtp})",
        **({"photo store twin": stack.photos} if stack.photos else {}),
        **{f"metrics of {name}": url for name, url in stack.metrics.items()},
        "database": stack.database,
        "admin token": f"{stack.admin_token} (for /ledger)",
        "logs": str(stack.logs),
        "cores": cores(stack),
    }
    lines = [f"  {name:<20} {value}" for name, value in rows.items()]
    return "\n".join(["The reference system is up. Ctrl-C stops it.", *lines])


def cores(stack: Stack) -> str:
    if stack.placement is None:
        return "not pinned"
    sides = stack.placement.as_json()
    return f"system {sides['system']}, outside {sides['outside']}"
