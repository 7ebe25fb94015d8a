"""`surge simulate --from-state`: the walk begins where a state was measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.draining import answers, details, moment
from harness.tables import say
from harness.walk import Options, Walk
from simulation.deployment import Deployment
from simulation.state import State, load_state

#: What would make the measured crowd another one.
BENDS = ("thin", "speed", "pauses")


def refuse_bends(options: Options) -> None:
    """Faults of options that a measured state can't go with; they stay with the options."""
    arguments = options.arguments
    for name in BENDS:
        if getattr(arguments, name) not in ("1", "1.0"):
            remedy = "leave it out: who stands in the lines of --from-state was counted whole"
            options.fault(name, getattr(arguments, name), remedy)
    if arguments.window:
        remedy = "leave it out: the state says where the run begins, and all come from then on"
        options.fault("window", arguments.window, remedy)


def begun(path: Path, walk: Walk, deployment: Deployment) -> tuple[Walk, State]:
    """The walk from the state's instant on; InputError with every fault of the file."""
    scenario = walk.scenario
    if walk.bending.population is not None:
        scenario = scenario.with_population(walk.bending.population)
    state = load_state(path, scenario, deployment)
    end_s = max(state.at_s, scenario.curve.duration_s)
    return replace(walk, bending=replace(walk.bending, window_s=(state.at_s, end_s))), state


def show_lines(found: dict[str, Any]) -> None:
    """The answer first: when each line of the state is drained."""
    state = found.get("state")
    if not state:
        return
    say("", f"As of {moment(state, state['at_h'])}:")
    for name, answer in answers(state):
        say(f"{answer}.")
        say(*(f"  {line}" for line in details(state, state["lines"][name])))
