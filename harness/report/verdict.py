"""The verdict on top: one sentence that a manager understands, and the objectives behind it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report import cliff, projected
from harness.report.dossier import Dossier, RunRecord
from harness.report.units import count, plural, seconds, share, signed, visitors, words
from workload.objective import Answer, Objective, Verdict

#: Tones of the banner: good, bad, unsure, void (a run that says nothing).
GOOD, BAD, UNSURE, VOID = "good", "bad", "unsure", "void"
STAMPS = {
    GOOD: "Objectives met",
    BAD: "Objectives missed",
    UNSURE: "Not known",
    VOID: "Not valid",
}


@dataclass(frozen=True)
class Banner:
    """``tone`` is one of the four; ``stamp`` says it in two words; ``notes`` are shorter lines."""

    tone: str
    stamp: str
    sentence: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectiveRow:
    """An objective as people read it. ``answer``: met, missed, unknown, or not judged."""

    text: str
    plain: str
    answer: str
    value: str
    limit: str
    margin: str
    why: str


@dataclass(frozen=True)
class ObjectiveGroup:
    """Objectives of one world: a measured run, a projection, a plan."""

    title: str
    rows: tuple[ObjectiveRow, ...]


def banner(dossier: Dossier) -> Banner:
    """The verdict. A run that is not valid, or was interrupted, says so before all else."""
    run = dossier.judged
    parts, tones, notes = [], [], []
    for part in (_void_part(dossier), _run_part(run), _projection_part(dossier)):
        if part:
            tones.append(part[0])
            parts.append(part[1])
    if not parts:
        return Banner(UNSURE, STAMPS[UNSURE], "There is no run and no projection to judge.")
    if run and len(dossier.runs) > 1:
        notes.append(f"The measured verdict is that of run {run.name}, the highest load judged.")
    if dossier.cliff is not None:
        notes.append(cliff.distance(dossier.cliff))
    if dossier.projection is not None:
        notes.append(trust_note(dossier))
    tone = next(tone for tone in (VOID, BAD, UNSURE, GOOD) if tone in tones)
    sentence = "; ".join(parts) + "."
    stamp = "Interrupted" if _only_interrupted(dossier) else STAMPS[tone]
    return Banner(tone, stamp, sentence[0].upper() + sentence[1:], tuple(notes))


def _only_interrupted(dossier: Dossier) -> bool:
    return {run.status for run in dossier.meant if run.status != "complete"} == {"interrupted"}


def _void_part(dossier: Dossier) -> tuple[str, str] | None:
    void = [run for run in dossier.meant if run.status != "complete"]
    if not void:
        return None
    total = len(dossier.meant)
    said = " and ".join(_void_sentence(run, alone=total == 1) for run in void)
    prefix = "" if total == 1 else f"{len(void)} of {plural(total, 'run')} can't be used: "
    return VOID, prefix + said


def _void_sentence(run: RunRecord, *, alone: bool) -> str:
    name = "this run" if alone else run.name
    if run.status == "interrupted":
        went = f"{seconds(run.manifest.lasted_s)} of {seconds(run.planned_s)}"
        return f"{name} was interrupted after {went}, so its figures are a fragment"
    why = run.reasons[0] if run.reasons else "no reason was recorded"
    return f"{name} is not valid and says nothing about the service ({why})"


def _run_part(run: RunRecord | None) -> tuple[str, str] | None:
    if run is None or run.status != "complete":
        return None
    load = f"at {visitors(run.visitors_per_s)}"
    verdicts = run.verdicts
    if not verdicts:
        return UNSURE, f"{load} nothing was judged: no objective and record are both there"
    missed = [v for v in verdicts if v.answer is Answer.MISSED]
    unknown = [v for v in verdicts if v.answer is Answer.UNKNOWN]
    total = plural(len(verdicts), "objective")
    if missed:
        worst = min(missed, key=lambda verdict: verdict.margin)
        return BAD, f"{run.who} missed {len(missed)} of {total} {load}: {shortfall(worst)}"
    if unknown:
        first = unknown[0]
        said = f"{len(unknown)} of {total} can't be judged {load}"
        return UNSURE, f"{said}: {in_words(first.objective)} ({first.why})"
    which = "the one objective" if len(verdicts) == 1 else f"all {total}"
    if run.not_measurable:
        which += " that a run can answer"
    return GOOD, f"{run.who} met {which} {load}"


def _projection_part(dossier: Dossier) -> tuple[str, str] | None:
    raw = dossier.projection
    if raw is None:
        return None
    collapses, runs = int(raw["collapse"]["count"]), int(raw["replications"])
    whom = f"projected to {count(raw['population'])} people"
    if collapses == runs == 1:
        return BAD, f"{whom} it collapsed in the only replication"
    if collapses == runs:
        return BAD, f"{whom} it collapses every time ({plural(runs, 'replication')})"
    if collapses:
        return BAD, f"{whom} it collapses in {collapses} of {runs} replications"
    missed = [v for v in projected.verdicts(raw) if v.answer is Answer.MISSED]
    if missed:
        objectives = plural(len(projected.verdicts(raw)), "objective")
        first = shortfall(missed[0])
        held = f"collapses in none of {plural(runs, 'replication')}"
        return BAD, f"{whom} it {held}, but misses {len(missed)} of {objectives}: {first}"
    if runs == 1:
        return UNSURE, f"{whom} it held in the only replication, which says little about chance"
    high = share(raw["collapse"]["high"])
    tone = GOOD
    if any(v.answer is Answer.UNKNOWN for v in projected.verdicts(raw)):
        tone = UNSURE
    return tone, f"{whom} it held in all {runs} replications (chance of collapse at most {high})"


def trust_note(dossier: Dossier) -> str:
    """How far a projection may be trusted, in one line: printed wherever one is."""
    agreement = dossier.agreement
    if agreement is None:
        return (
            "No measurement that the model had not seen was compared with it: "
            "how far this projection may be trusted is not known (never checked: run surge verify)."
        )
    worst = [row for metric in ("throughput", "p50_s", "p95_s") if (row := agreement.worst(metric))]
    if not worst:
        return "There is no held-out level: the model was only compared with what it had learned."
    said = ", ".join(
        f"{row.metric.removesuffix('_s')} {signed(row.error)} ({words(row.step)})" for row in worst
    )
    return f"How far to trust it: on load it had not seen, the model's largest errors were {said}."


def in_words(objective: Objective) -> str:
    """An objective as a sentence without jargon."""
    subject = words(objective.subject)
    if objective.kind == "latency":
        limit = seconds(objective.limit)
        return f"{share(objective.quantile)} of visitors are through {subject} within {limit}"
    if objective.kind == "success":
        return f"more than {share(objective.limit)} of visits to {subject} are answered"
    if objective.kind == "backlog":
        return f"nobody waits longer than {seconds(objective.limit)} in the {subject} queue"
    return f"the chance of a collapse is below {share(objective.limit)}"


def shortfall(verdict: Verdict) -> str:
    """What was found where an objective was missed."""
    objective, subject = verdict.objective, words(verdict.objective.subject)
    found, limit = value_of(verdict), limit_of(objective)
    if objective.kind == "latency":
        if verdict.value == float("inf"):
            return (
                f"more than {share(1 - objective.quantile)} of visitors never got through {subject}"
            )
        return f"p{objective.quantile * 100:g} of {subject} was {found}, the limit is {limit}"
    if objective.kind == "success":
        return f"{found} of visits to {subject} were answered, the limit is {limit}"
    if objective.kind == "backlog" and verdict.value == float("inf"):
        return f"the {subject} queue was not empty by the end, the limit is {limit}"
    if objective.kind == "backlog":
        return f"somebody waited {found} in the {subject} queue, the limit is {limit}"
    return f"the chance of a collapse is at least {found}, the limit is {limit}"


def value_of(verdict: Verdict) -> str:
    """The figure that was judged, with its unit."""
    as_share = verdict.objective.kind in ("success", "collapse")
    return share(verdict.value) if as_share else seconds(verdict.value)


def limit_of(objective: Objective) -> str:
    """The limit with its unit."""
    as_share = objective.kind in ("success", "collapse")
    return share(objective.limit) if as_share else seconds(objective.limit)


def groups(dossier: Dossier) -> list[ObjectiveGroup]:
    """The objectives of every world that there is a record of."""
    found = []
    run = dossier.judged
    if run:
        void = run.status != "complete"
        title = f"{run.manifest.kind.capitalize()}: {run.name}, {visitors(run.visitors_per_s)}"
        asked = () if dossier.projection else run.not_measurable
        rows = [_row(verdict, void=void) for verdict in (*run.verdicts, *asked)]
        found.append(ObjectiveGroup(title, tuple(rows)))
    if dossier.projection is not None:
        people = count(dossier.projection["population"])
        verdicts = projected.verdicts(dossier.projection)
        rows = [_row(verdict, void=False) for verdict in verdicts]
        found.append(ObjectiveGroup(f"Projected: {people} people", tuple(rows)))
    return [group for group in found if group.rows]


def _row(verdict: Verdict, *, void: bool) -> ObjectiveRow:
    objective = verdict.objective
    return ObjectiveRow(
        text=objective.text,
        plain=in_words(objective),
        answer="not judged" if void else verdict.answer.value,
        value=value_of(verdict),
        limit=limit_of(objective),
        margin=signed(verdict.margin),
        why="the run is not valid" if void else verdict.why,
    )
