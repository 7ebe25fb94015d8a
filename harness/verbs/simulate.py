"""`surge simulate`: project a scenario through a service model and a deployment."""

import argparse
from pathlib import Path

from harness.verbs import Subparsers, declare
from harness.walk_options import add_executor_option, add_walk_options


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "simulate",
        "project a scenario: the same visitors, through a model of the service",
        "surge simulate prakerja-2020 --window 0m..5m --model model.json --replications 59\n"
        "  surge simulate retry-storm --replications 299 --executor dask:tcp://10.0.0.7:8786",
        about="Exit 0 when its objectives are met, 1 when one is missed, 3 when one stays unknown "
        "or not even one replication ended in time.",
    )
    add_walk_options(parser)
    add = parser.add_argument
    add("--model", metavar="FILE", type=Path,
        help="the model.json that surge demo, verify or calibrate wrote")  # fmt: skip
    add("--deployment", metavar="NAME|FILE", default="this-machine",
        help="what answers: national, this-machine or a TOML file (this-machine)")  # fmt: skip
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="pairs",
        help="a setting of the deployment, such as registry_slots=13; repeatable")  # fmt: skip
    add("--against", action="append", default=[], metavar="KEY=VALUE",
        help="also with this changed, on the same luck: a setting of the deployment, of patience "
        "(attempts, timeout_s, …), demand or opening=waves; repeatable, needs "
        "--replications")  # fmt: skip
    add("--engine", choices=("compiled", "simpy"), default="compiled",
        help="simpy is the readable reference, and slow (compiled)")  # fmt: skip
    add("--replications", metavar="N", default="1", help="seeds N, N+1, …; 59 clean ones show "
        "a probability of collapse below 5 %%, 299 below 1 %% (1)")  # fmt: skip
    add("--max-wall", metavar="SPAN", default="10m",
        help="wall-clock time after which it stops, with what it has (10m)")  # fmt: skip
    add("--from-state", metavar="FILE", type=Path,
        help="go on from a measured state, such as docs/examples/state-14h.toml: when are the "
        "lines drained that people stand in")  # fmt: skip
    add("--horizon", metavar="SPAN", help="when the record ends (24 h after the last arrival)")
    add("--trace", metavar="DIR", type=Path,
        help="keep every attempt, as a run directory (one replication)")  # fmt: skip
    add("-o", "--output", metavar="FILE", type=Path,
        help="the course over time as a picture, with pointwise bands: .svg or .png")  # fmt: skip
    add_executor_option(parser)
    add("--json", action="store_true", help="one JSON object on stdout (surge/projection/1)")


def run(arguments: argparse.Namespace) -> int:
    """0 objectives met, 1 one missed, 3 one unknown."""
    from harness.pairing_tables import pair_with_progress, show_pairing
    from harness.projecting import clock_of, judged, project_with_progress, read_question
    from harness.projection_tables import projection_json, show_projection
    from harness.run_directory import print_json
    from harness.tables import exit_code_of
    from harness.trace import check_trace_dir, write_trace

    asked, clock = read_question(arguments), clock_of(arguments)
    if arguments.trace:
        check_trace_dir(arguments.trace)
    if arguments.output:
        from harness.projection_picture import check_picture, draw_projection

        check_picture(arguments.output)
    projection = project_with_progress(asked.question, arguments.executor, clock)
    verdicts = judged(projection)
    if arguments.trace:
        write_trace(arguments.trace, projection, verdicts)
    pairing = None
    if arguments.against:
        changes, executor = arguments.against, arguments.executor
        pairing = pair_with_progress(asked, projection, changes, executor, clock)
    show_projection(asked, projection, verdicts)
    if pairing:
        show_pairing(pairing)
    if arguments.output:
        draw_projection(projection.to_json(), arguments.output)
    if arguments.json:
        found = projection_json(asked, projection, verdicts)
        print_json({**found, "against": pairing.to_json() if pairing else None})
    return exit_code_of(verdicts)
