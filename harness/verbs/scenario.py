"""`surge scenario`: check a scenario file, list the built-in ones."""

import argparse
import textwrap
from typing import Any

from harness.verbs import Subparsers, declare


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "scenario",
        "check a scenario file, or list the built-in ones",
        "surge scenario check my-wave.toml",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    does = "report every fault of a scenario at once, or what a sound one amounts to"
    check = declare(actions, "check", does, "surge scenario check my-wave.toml")
    check.add_argument("file", metavar="FILE", help="a TOML file, or a built-in scenario's name")
    check.add_argument("--reading", metavar="NAME", help="one of its readings (its default)")
    does = "the built-in scenarios and what each one asks"
    listing = declare(actions, "list", does, "surge scenario list")
    for action, schema in ((check, "surge/scenario-check/1"), (listing, "surge/scenarios/1")):
        action.add_argument(
            "--json", action="store_true", help=f"one JSON object on stdout ({schema})"
        )


def run(arguments: argparse.Namespace) -> int:
    """0, or 2 when the scenario has faults."""
    return check(arguments) if arguments.action == "check" else listing(arguments)


def check(arguments: argparse.Namespace) -> int:
    """All faults, or what a sound scenario amounts to."""
    from harness.run_directory import print_json
    from workload.errors import InputError
    from workload.scenario import load_scenario

    try:
        scenario = load_scenario(arguments.file, arguments.reading)
    except InputError as error:
        if not arguments.json:
            raise
        faults = [{"key": f.key, "value": plain(f.value), "remedy": f.remedy} for f in error.faults]
        print_json({"schema": "surge/scenario-check/1", "ok": False, "faults": faults})
        return 2
    found = summary_of(scenario)
    if arguments.json:
        print_json({"schema": "surge/scenario-check/1", "ok": True, "faults": [], **found})
    else:
        show_sound(found)
    return 0


def plain(value: object) -> Any:
    """A fault's value as JSON can hold it."""
    return value if isinstance(value, str | int | bool | type(None)) else repr(value)


def summary_of(scenario: Any) -> dict[str, Any]:
    """What a scenario amounts to."""
    from workload.arrivals import peak_minute

    start_s, people = peak_minute(scenario.curve)
    return {
        "name": scenario.name,
        "question": scenario.question,
        "fingerprint": scenario.fingerprint,
        "seed": scenario.seed,
        "duration_s": scenario.curve.duration_s,
        "population": float(scenario.curve.expected(0.0, scenario.curve.duration_s)),
        "peak_minute": {"start_s": start_s, "people": people},
        "steps": list(scenario.journey.names),
        "objectives": [objective.text for objective in scenario.objectives],
        "readings": list(scenario.readings),
        "reading": scenario.reading,
    }


def show_sound(found: dict[str, Any]) -> None:
    from harness.tables import count, say, span

    peak = found["peak_minute"]
    say(
        f"{found['name']} is sound (fingerprint {found['fingerprint']}).",
        *textwrap.wrap(found["question"], 96, initial_indent="  ", subsequent_indent="  "),
        f"  {count(found['population'])} visitors in {span(found['duration_s'])}; "
        f"{count(peak['people'])} in the busiest minute, from {span(peak['start_s'])} on",
        f"  steps: {' → '.join(found['steps'])}",
        f"  objectives: {'; '.join(found['objectives']) or 'none'}",
    )
    if found["readings"]:
        say(f"  readings: {', '.join(found['readings'])}; used: {found['reading']}")


def listing(arguments: argparse.Namespace) -> int:
    """Name and question of each."""
    from harness.run_directory import print_json
    from harness.tables import Column, show
    from workload.scenario import built_in, load_scenario

    scenarios = [load_scenario(name) for name in built_in()]
    if arguments.json:
        rows = [{"name": one.name, "question": one.question} for one in scenarios]
        print_json({"schema": "surge/scenarios/1", "scenarios": rows})
        return 0
    columns = [Column("name", figure=False), Column("what it asks", figure=False)]
    show("Built-in scenarios", columns, ([one.name, one.question] for one in scenarios))
    return 0
