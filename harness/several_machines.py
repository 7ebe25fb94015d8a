"""Several machines on one run: where others join it, and joining that of another machine."""

import argparse
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from harness.interruption import end_on_any_wish
from harness.scratch import scratch
from harness.tables import say
from harness.walk import Options
from loadtests.campaign import CampaignPlan
from loadtests.joiner import join_campaign
from loadtests.target import is_loopback
from workload.errors import Fault

Address = tuple[str, int]
#: Where Locust's masters usually listen.
USUAL_PORT = 5557
MOST_JOINING = 1000
WRITE = "write HOST:PORT, such as 10.0.0.2:5557 (a name or an IPv4 address)"


def join(arguments: argparse.Namespace) -> int:
    """Generate load for a master until its run ends: 0, whatever the run came to.

    Raises InputError for options beside --join, InvalidRunError when there is no master, when it
    is lost, or when this machine can't take part.
    """
    options = Options(arguments)
    host, port = options.parsed("join", _address, ("", 0))
    if not options.faults and port == 0:
        options.fault("join", arguments.join, "port 0 is nobody's: write the master's")
    _refuse_others(options, arguments.usual)
    options.done()
    end_on_any_wish()
    say(f"joining the master at {host}:{port}, until its run ends")
    with scratch() as folder:
        join_campaign(host, port, folder / "worker.log")
    say("the run is over; what it came to is told, and recorded, on the master's machine")
    return 0


def _refuse_others(options: Options, usual: Mapping[str, Any]) -> None:
    """What is walked, and how, the master says: an option that would do nothing is a fault."""
    remedy = "the master says what is walked: give --join HOST:PORT alone"
    for name, value in usual.items():
        given = getattr(options.arguments, name)
        if name == "join" or given == value:
            continue
        if name == "scenario":
            options.faults.append(Fault("SCENARIO", given, remedy))
        else:
            options.fault("set" if name == "pairs" else name, given, remedy)


def read_company(options: Options) -> tuple[int, Address]:
    """How many workers join this run, and where; (0, …) for a run of this machine alone."""
    arguments = options.arguments
    nobody: tuple[int, Address] = (0, ("127.0.0.1", 0))
    if arguments.master is None:
        if arguments.listen is not None:
            options.fault("listen", arguments.listen, "it goes with --master N")
        return nobody
    joining = options.whole("master", 1, MOST_JOINING)
    if arguments.target is None:
        remedy = "add --target URL: nobody else reaches a system that surge starts"
        options.fault("master", arguments.master, remedy)
        return nobody
    if arguments.listen is None:
        arguments.listen = f"{_own_address(arguments.target)}:{USUAL_PORT}"
    listen = options.parsed("listen", _bound, nobody[1])
    if is_loopback(urlsplit(arguments.target).hostname or "") and not is_loopback(listen[0]):
        remedy = "another machine would load its own loopback: give the address that it sees"
        options.fault("target", arguments.target, remedy)
    return joining, listen


def invite(plan: CampaignPlan) -> None:
    """Tell people what to type on the other machines."""
    host, port = plan.listen
    shown = "ADDRESS_OF_THIS_MACHINE" if host == "0.0.0.0" else host  # noqa: S104 - compared only
    say(f"waiting for {plan.joining} to join, with  ./surge load --join {shown}:{port}")


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    fits = port.isascii() and port.isdecimal() and len(port) < 6 and int(port) < 65536
    if not host or ":" in host or not fits:
        raise ValueError(WRITE)
    return host, int(port)


def _bound(text: str) -> Address:
    """The address in numbers, after a look whether it can be had; port 0 becomes a free one."""
    address = _address(text)
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            host, port = probe.getsockname()
    except OSError as error:
        remedy = f"can't be had ({error.strerror or error}): give an own address, and a free port"
        raise ValueError(remedy) from error
    return str(host), int(port)


def _own_address(target: str) -> str:
    """From where this machine reaches the target: there, others that reach it reach us too.

    Nothing is sent: the kernel only chooses a route.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((urlsplit(target).hostname or "", USUAL_PORT))
        except (OSError, ValueError):
            return "127.0.0.1"  # what is wrong with the target is told by its own check
        host: str = probe.getsockname()[0]
    return host
