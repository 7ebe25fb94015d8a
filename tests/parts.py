"""The two parts of the tests: what only computes, and what needs the machine for itself.

Tests that only compute may run side by side on every core, and each file among them is one whose
tests start no service, no database, no browser, and measure no time. All others run alone, one
after the other: a neighbour on their core would be part of what they measure.
"""

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
PARTS: Final = ("computing", "alone")

#: Rooms and files, below tests/, whose tests only compute, unless they are among ALONE. In this
#: order: of two processes one begins here, and the other with the engine, which it may have to
#: compile.
COMPUTING: Final = (
    "workload",
    "test_architecture.py",
    "grafana/test_dashboard.py",
    "grafana/test_rules.py",
    "packaging/test_image.py",
    "packaging/test_workflow.py",
    "harness/test_ablation.py",
    "harness/test_accuracy.py",
    "harness/test_from_state.py",
    "harness/test_held_deployments.py",
    "harness/test_nation.py",
    "harness/test_projection_picture.py",
    "harness/test_report.py",
    "harness/test_report_projection.py",
    "harness/test_report_trust.py",
    "harness/test_report_words.py",
    "harness/test_scaling_shown.py",
    "harness/test_stored_runs.py",
    "harness/test_trust_shown.py",
    "harness/test_verb_backtest.py",
    "harness/test_verb_compare.py",
    "harness/test_verb_knee.py",
    "harness/test_verb_plan.py",
    "harness/test_verb_scenario.py",
    "harness/test_verb_simulate.py",
    "harness/test_verify_history.py",
    "simulation",
)
#: They start processes and lose them, or judge by the clock.
ALONE: Final = (
    "simulation/test_cluster.py",
    "simulation/test_compilation.py",
    "simulation/test_executors.py",
    "simulation/test_fluid.py",
    "simulation/test_out_of_time.py",
)


def part_of(path: Path) -> str:
    """The part of a file of tests; outside of those rooms one that nobody thought of runs alone."""
    return "computing" if _among(path, COMPUTING) and not _among(path, ALONE) else "alone"


def rank_of(path: Path) -> int:
    """Its place in the order of COMPUTING; 0 for what is not there."""
    return next((n for n, name in enumerate(COMPUTING) if path.is_relative_to(HERE / name)), 0)


def _among(path: Path, names: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(HERE / name) for name in names)
