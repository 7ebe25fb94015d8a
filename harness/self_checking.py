"""The model beside the runs that it was learned from, before any latency is believed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.experiment import DRAIN_S, deployment_of
from harness.tables import Column, show, span
from harness.tables import share as percent
from simulation.evidence import Run, read_run
from simulation.pace import as_in
from simulation.projection import Question, replicate
from simulation.self_check import Figure, figures, refusals
from simulation.service import ServiceModel
from workload.scenario import load_scenario

SCENARIO: Final = "scenario.toml"
SHOWN: Final = {"share": percent, "s": span, "/s": "{:,.0f}/s".format, "rows": "{:.2f}".format}


def self_check(paths: Sequence[Path], model: ServiceModel) -> list[str]:
    """Print the comparison of every run; the refusals, none when the model may predict."""
    found = [figure for path in paths for figure in _checked(read_run(path), model)]
    columns = [Column("level", figure=False), Column("figure", figure=False),
               Column("simulated"), Column("measured"), Column("error"),
               Column("", figure=False)]  # fmt: skip
    caption = (
        "differs: by more than 10 %; a wait by more than 0.2 ms too, the database by its idle share"
    )
    show("Self-check: the model beside its own runs", columns, map(_row, found), caption)
    return refusals(found)


def _checked(run: Run, model: ServiceModel) -> list[Figure]:
    deployment, model = deployment_of(run), as_in([run], model)
    scenario = load_scenario(str(run.path / SCENARIO), None)
    question = Question(
        scenario=scenario.with_seed(run.manifest.seed),
        model=model,
        deployment=deployment,
        bending=run.manifest.bending,
        horizon_s=run.arrivals_s + DRAIN_S,
    )
    return figures(run, replicate(question, run.manifest.seed), model, deployment)


def _row(figure: Figure) -> list[str]:
    shown = SHOWN[figure.unit]
    word = "" if figure.holds else "differs"
    return [figure.level, figure.name, shown(figure.simulated), shown(figure.measured),
            f"{figure.error:+.0%}", word]  # fmt: skip
