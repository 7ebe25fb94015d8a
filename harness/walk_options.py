"""Options of every verb that walks a scenario: which one, on what luck, and how it is bent.

harness/walk.py reads them; here is only what `--help` needs.
"""

import argparse


def add_walk_options(parser: argparse.ArgumentParser, *, scenario: str | None = None) -> None:
    """Declare them. ``scenario``: argparse's ``nargs`` of it, '?' where the verb may do without."""
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", nargs=scenario,
        help="a built-in scenario (surge scenario list) or a TOML file")  # fmt: skip
    add("--reading", metavar="NAME",
        help="one of the scenario's readings of published figures (its default)")  # fmt: skip
    add("--seed", metavar="N", help="seed of all chance (the scenario's own)")
    add("--window", metavar="A..B", default="", help="a stretch of arrivals, such as 0m..2m (all)")
    add("--thin", metavar="P", default="1", help="share of the visitors that take part (1)")
    add("--speed", metavar="S", default="1", help="arrivals and pauses divided by this (1)")
    add("--pauses", metavar="F", default="1", help="pauses, and nothing else, times this (1)")
    add("--population", metavar="N", help="rescale the curve to so many people (its own)")


def add_executor_option(parser: argparse.ArgumentParser) -> None:
    """Declare --executor, which simulation/executors.py reads."""
    parser.add_argument(
        "--executor",
        metavar="WHO",
        default="threads",
        help="who simulates: threads, processes, dask (processes of a cluster on this machine) or "
        "dask:tcp://HOST:PORT (the workers of that scheduler); the numbers are the same (threads)",
    )
