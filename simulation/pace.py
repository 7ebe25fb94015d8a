"""How dear a machine's time was, and what that does to every cost.

Neighbours on the same host slow memory down, minutes long, and that reads like a change of the
service. The mailbox twin does the same for every mail at any load, in a process of its own that
nothing is predicted about: what a mail costs it in processor time tells a run's *pace*, 1 where it
costs what it cost on average while the model was learned, 1.2 where a fifth more.

Not everything grows as that does. On the records of docs/decisions/0007 the service's processor
time went with the power 0.5 of the pace, the worker's and the database's with 0.8, the load
generator's with 0.85.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from simulation.evidence import Run, Window, windows
from simulation.service import ServiceModel, StepCost
from workload.durations import Duration

#: Powers of the pace with which processor time grows (`python -m harness.pace RECORD…`).
SERVICE: Final = 0.5
WORKER: Final = 0.8
DATABASE: Final = 0.8
GENERATOR: Final = 0.85
TWIN: Final = 1.0
#: Processor times of a model -> the power of whose time they are.
POWERS: Final[Mapping[str, float]] = {
    "wake_s": SERVICE, "flush_base_s": SERVICE, "flush_row_s": SERVICE, "shed_s": SERVICE,
    "write_base_s": DATABASE, "write_row_s": DATABASE, "errand_s": DATABASE,
    "mail_cpu_s": WORKER, "check_cpu_s": WORKER,
    "generator_wake_s": GENERATOR, "send_s": GENERATOR, "receive_s": GENERATOR,
    "twin_mail_s": TWIN, "twin_check_s": TWIN,
}  # fmt: skip
#: Most that the share of read mails may differ, relative, for their costs to be compared.
ALIKE: Final = 0.1


def mail_cost_s(held: Sequence[Window]) -> float:
    """Processor seconds of the mailbox twin for a mail, NaN where none is known."""
    cpu_s = sum(window.total("mailbox", "process_cpu_seconds_total") for window in held)
    mails = sum(window.mails for window in held)
    return cpu_s / mails if mails and cpu_s else math.nan


def paced(held: Sequence[Window]) -> list[Window]:
    """The windows, each with its pace beside the mean of all; 1 where a run tells none."""
    usual_s = mail_cost_s(held)
    return [replace(window, pace=ratio(mail_cost_s([window]), usual_s)) for window in held]


def pace_of(runs: Sequence[Run], model: ServiceModel) -> float:
    """The pace of these runs together, beside that at which the model was learned.

    1 where it can't be told: a mail whose link is read costs the twin more than one that only
    arrives, so the same share of them must have been read.
    """
    held = windows(runs)
    usual = float(model.fitted.get("mails_read") or 0.0)
    if abs(mails_read(held) - usual) > ALIKE * usual:
        return 1.0
    return ratio(mail_cost_s(held), model.twin_mail_s)


def mails_read(held: Sequence[Window]) -> float:
    """Share of the mails whose link was read back; 0 where there were none."""
    mails = sum(window.mails for window in held)
    return sum(window.mails_read for window in held) / mails if mails else 0.0


def ratio(cost_s: float, usual_s: float) -> float:
    """The pace at which a mail costs this, where it usually costs that; 1 where one is unknown."""
    return cost_s / usual_s if math.isfinite(cost_s) and usual_s > 0 else 1.0


def as_in(runs: Sequence[Run], model: ServiceModel) -> ServiceModel:
    """The model at the pace that the machine had in these runs."""
    return at_pace(model, pace_of(runs, model))


def at_pace(model: ServiceModel, pace: float) -> ServiceModel:
    """The model's processor times at another pace; what is no processor time stays.

    So does the share of a core that the idle system takes: it was learned from its quietest moment.
    """
    if pace == 1.0:
        return model
    return replace(
        model,
        steps={name: _step_at(step, pace) for name, step in model.steps.items()},
        **{name: getattr(model, name) * pace**power for name, power in POWERS.items()},
    )


def _step_at(step: StepCost, pace: float) -> StepCost:
    return replace(
        step,
        before=_times(step.before, pace**SERVICE),
        after=_times(step.after, pace**SERVICE),
        query=_times(step.query, pace**DATABASE),
        sent_s=None if step.sent_s is None else step.sent_s * pace**GENERATOR,
    )


def _times(duration: Duration, factor: float) -> Duration:
    return Duration(tuple(knot * factor for knot in duration.knots_s))
