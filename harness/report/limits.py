"""What the report can't say: the honest end of it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report import projected
from harness.report.dossier import Dossier


def limits(dossier: Dossier) -> list[str]:
    """Sentences, those about this report before those about any."""
    return [*_of_runs(dossier), *_of_model(dossier), *_always(dossier)]


def _of_runs(dossier: Dossier) -> Iterator[str]:
    for run in dossier.runs:
        if run.missing:
            yield f"Run {run.name} lacks {', '.join(run.missing)}; what they hold is left out here."
    if any(run.manifest.capacity.get("cores") for run in dossier.runs):
        yield (
            "Service, database, twins and generator shared one machine, each pinned to its cores: "
            "no real network, no second machine's noise."
        )
    if any(run.manifest.capacity.get("registry") for run in dossier.runs):
        yield "Civil registry, mailbox and photo store are twins: they behave as they were told to."
    if dossier.runs:
        yield "Every visitor is synthetic; no real person was observed."


def _of_model(dossier: Dossier) -> Iterator[str]:
    raw = dossier.projection
    if raw is None:
        yield "There is no projection: nothing here says what a larger crowd would do."
        return
    if dossier.agreement is None:
        yield "The projection was never compared with a measurement that the model had not seen."
    else:
        yield "Errors were measured at the levels shown; beyond them they may be larger."
    if raw.get("uncalibrated"):
        yield "Steps marked uncalibrated rest on fewer than 1,000 answers, or on none."
    if projected.two_peaked(raw):
        yield "The projection has two outcomes; means across both of them are withheld."
    if int(raw["replications"]) < 59 and not int(raw["collapse"]["count"]):
        yield (
            f"{raw['replications']} replications without a collapse do not show that its chance is "
            "below 5 %; that takes 59."
        )


def _always(dossier: Dossier) -> Iterator[str]:
    if len(dossier.runs) == 1:
        yield "One run has no noise: run it again before believing a difference of a few per cent."
    yield "The model knows the stations that it was told of, and no failure that never occurred."
