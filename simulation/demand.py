"""What a wave asks of each station in expectation, were none of them ever full.

The curve's expected arrivals go through the journey as flows on a grid of time: at each step some
leave, the others pause (a convolution with the pause's distribution), and some wait for a mail.
Nobody tries twice and nobody polls twice here: that is what overload adds. Whom a draw makes wait
begins the pause at the draw. Who mistyped is declined, whose mail is lost gives up: a share of both
calls for help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulation.deployment import Deployment
from simulation.replication import AFTERMATH_S, Question
from simulation.service import ServiceModel
from simulation.world import CAUSES_CHECK, CAUSES_MAIL
from workload.durations import Duration
from workload.journey import Step
from workload.wave_draw import LOOKED_UP_BY

Flow = NDArray[np.float64]
CELLS: Final = 16_384
FINEST_S: Final = 0.05


@dataclass(frozen=True)
class Costs:
    """What one attempt of each step takes, seconds (arrays over steps); what a check and a mail
    take. ``writes`` and ``checks`` are 1 where an attempt writes a row, or asks the registry.
    """

    loop: Flow
    database: Flow
    pool: Flow
    writes: Flow
    checks: Flow
    mails: Flow
    latency: Flow  # from the intended start to the answer, when nobody else is there


@dataclass(frozen=True)
class Demand:
    """Expected first attempts by step and cell of time: ``first[step, cell]``.

    ``finish``: people who would finish, were every station infinitely large, and those whom a draw
    beyond the record makes wait. ``calls``: calls for help, by cell. ``waiting``: people who wait
    for the draw when it comes, or when the record ends before it.
    """

    cell_s: float
    arrivals: Flow
    first: Flow
    people: float
    finish: float
    calls: Flow
    waiting: float
    asked: Flow  # `first`, and below it the calls where nobody but the service takes them

    @property
    def come_for(self) -> int:
        """Cells until the last visitor has come; 1 where nobody comes."""
        return int(np.flatnonzero(self.arrivals > 0).max(initial=0)) + 1


def demand_of(question: Question) -> Demand:
    """The flows of a question; about 10 ms."""
    scenario, bending = question.scenario, question.bending
    if bending.population is not None:
        scenario = scenario.with_population(bending.population)
    length_s = question.window_length_s
    people = float(scenario.curve.expected(*bending.window_s)) * bending.thin
    horizon_s = _horizon_s(question, length_s, people)
    cell_s = max(FINEST_S, horizon_s / CELLS)
    cells = math.ceil(horizon_s / cell_s)
    edges = bending.window_s[0] + np.arange(cells + 1) * cell_s * bending.speed
    ends = np.minimum(edges, bending.window_s[1])
    arrivals = np.asarray(scenario.curve.expected(ends[:-1], ends[1:])) * bending.thin
    flow, rows = metered(arrivals, question.deployment, cell_s), []
    declined, failed = declined_at(question), np.zeros(cells)
    opens, waiting, finish = looks_from_s(question), 0.0, None
    for number, step in enumerate(scenario.journey.steps):
        flow = flow * (1.0 - step.drop_out)
        if step.name == LOOKED_UP_BY and opens is not None:
            waiting = float(flow[: math.ceil(opens / cell_s)].sum())
            finish = waiting if opens >= horizon_s else None
            flow = held_until(flow, opens, cell_s)
        if needs_mail(step):
            missed = flow * question.deployment.mail_loss
            failed += _later(missed, step.patience.mail_s, cell_s)
        kernel = _kernel(step, question, cell_s, cells)
        flow = _delayed(flow, kernel)
        rows.append(flow)
        share = declined[number]
        failed, flow = failed + flow * share, flow * (1.0 - share)
    # Of those who come too late to be through by the horizon nobody expects it.
    finish = float(flow.sum()) if finish is None else finish
    arrive = (1.0 - question.deployment.mail_loss) ** sum(map(needs_mail, scenario.journey.steps))
    stay = 1.0 if any(declined) else 1.0 - scenario.people.mistyped
    finish = finish / max(arrive, 1e-12) * stay
    first, calls = np.asarray(rows), _calls(question, failed, cell_s)
    asked = np.vstack((first, calls)) if calls_as_request(question) else first
    return Demand(cell_s, arrivals, first, people, finish, calls, waiting, asked)


def declined_at(question: Question) -> tuple[float, ...]:
    """By step of the journey: the share of its answers that is a correct no, to who mistyped."""
    inline = question.deployment.identity_check == "inline"
    decides = "submit_identity" if inline else "await_identity"
    names = question.scenario.journey.step_names
    return tuple(question.scenario.people.mistyped if n == decides else 0.0 for n in names)


def looks_from_s(question: Question) -> float | None:
    """When the draw lets people look for their result, s of run time; None without a draw."""
    draw, bending = question.scenario.journey.draw, question.bending
    return max(0.0, draw.drawn_s - bending.window_s[0]) / bending.speed if draw else None


def held_until(flow: Flow, opens_s: float, cell_s: float) -> Flow:
    """A flow whose earlier part stands still until an instant; of a later one than all, nothing."""
    opens = math.ceil(opens_s / cell_s)
    held = flow.copy()
    held[:opens] = 0.0
    if opens < len(flow):
        held[opens] += float(flow[:opens].sum())
    return held


def has_call_centre(question: Question) -> bool:
    """Whether calls are answered by agents; without any a call is the service's request."""
    return question.deployment.agents > 0 or bool(question.deployment.agent_shifts)


def calls_as_request(question: Question) -> tuple[Step, ...]:
    """The call for help, where it is a request of the service: a row of costs behind the steps'."""
    support = question.scenario.journey.support
    return (support.call,) if support and not has_call_centre(question) else ()


def _calls(question: Question, failed: Flow, cell_s: float) -> Flow:
    """First calls for help, of those whose step failed for good in each cell."""
    support = question.scenario.journey.support
    if support is None:
        return np.zeros(len(failed))
    kernel = _kernel(support.call, question, cell_s, len(failed))
    return _delayed(failed * support.share, kernel)


def _delayed(flow: Flow, kernel: Flow) -> Flow:
    """A flow by cell, as it is after a delay of which a kernel says how long it is how often."""
    from scipy.signal import oaconvolve  # here: 60 MB that no walk needs

    return np.maximum(oaconvolve(flow, kernel)[: len(flow)], 0.0)


def _later(flow: Flow, seconds: float, cell_s: float) -> Flow:
    cells = min(round(seconds / cell_s), len(flow))
    return np.concatenate((np.zeros(cells), flow[: len(flow) - cells]))


def _horizon_s(question: Question, length_s: float, people: float) -> float:
    """Until nobody does anything more, or the record ends."""
    way, opens = _longest_way_s(question, people), looks_from_s(question)
    limit = question.horizon_s or length_s + AFTERMATH_S
    over = length_s + way
    return min(limit, over if opens is None or opens >= limit else max(over, opens + way))


def metered(arrivals: Flow, deployment: Deployment, cell_s: float) -> Flow:
    """Those whom the waiting room lets in, by cell; everybody at once where there is none.

    let in by t = min over s <= t of (came by s + rate (t - s))
    """
    if deployment.admission != "waiting_room":
        return arrivals
    room = np.arange(len(arrivals) + 1) * deployment.room_per_s * cell_s
    came = np.concatenate(([0.0], np.cumsum(arrivals)))
    return np.asarray(np.diff(room + np.minimum.accumulate(came - room)))


def _longest_way_s(question: Question, people: float) -> float:
    """Seconds from arriving to the last step's first attempt, of the slowest; at most AFTERMATH."""
    factor = question.bending.pauses / question.bending.speed
    steps, support = question.scenario.journey.steps, question.scenario.journey.support
    pauses = sum(step.pause.knots_s[-1] for step in steps) * factor
    if support:
        pauses += support.call.pause.knots_s[-1] * factor
    way = mail_way(question.model, question.deployment).knots_s[-1]
    mails = sum(needs_mail(step) for step in steps) * way
    metered_s = 0.0
    if question.deployment.admission == "waiting_room":
        metered_s = people / question.deployment.room_per_s
    return min(AFTERMATH_S, 60.0 + pauses + mails + metered_s)


def _kernel(step: Step, question: Question, cell_s: float, cells: int) -> Flow:
    """Share of those who go on to a step that try it so many cells later; sums to at most 1."""
    factor = question.bending.pauses / question.bending.speed
    held = cumulative(step.pause, factor, cell_s, cells)
    if needs_mail(step):
        deployment, model = question.deployment, question.model
        way = cumulative(mail_way(model, deployment), 1.0, cell_s, cells)
        held = held * way * (1.0 - deployment.mail_loss)
    kernel = np.diff(held, prepend=0.0)
    last = np.flatnonzero(kernel > 1e-12)
    return np.asarray(kernel[: last[-1] + 1] if len(last) else kernel[:1])


def needs_mail(step: Step) -> bool:
    """Whether its first attempt waits for a mail."""
    return step.mail != "none" and step.polls == 0


def mail_way(model: ServiceModel, deployment: Deployment) -> Duration:
    """From the outbox to the inbox, when no mail is in front."""
    usual = model.poll_s / 2 + model.mail.mean_s + model.delivery.mean_s
    knots = tuple(knot + usual for knot in deployment.mail_delay.knots_s)
    return Duration(knots)


def equally_likely(duration: Duration, lengths: int) -> Flow:
    """So many equally likely lengths of it, ascending, in seconds."""
    knots, middle = np.asarray(duration.knots_s), (np.arange(lengths) + 0.5) / lengths
    if len(knots) == 1:
        return np.repeat(knots, lengths)
    return np.asarray(np.interp(middle, np.linspace(0, 1, len(knots)), knots))


def cumulative(duration: Duration, factor: float, cell_s: float, cells: int) -> Flow:
    """P(duration x factor falls into cell 0 .. k), for each cell k."""
    knots = np.asarray(duration.knots_s) * factor
    if len(knots) == 1:
        knots = np.repeat(knots, 2)
    # Knots of one value would be a vertical line, which `interp` can't follow.
    rising = knots + np.arange(len(knots)) * 1e-9 * max(1.0, float(knots[-1]))
    edges = (np.arange(cells) + 1) * cell_s
    shares = np.linspace(0.0, 1.0, len(rising))
    return np.asarray(np.interp(edges, rising, shares, left=0.0, right=1.0))


def costs_of(question: Question, rows: float = 1.0) -> Costs:
    """Means of what each step takes, and a call that is a request. ``rows``: share a flush."""
    model, deployment = question.model, question.deployment
    cpu = deployment.speed
    network_s = 2 * (deployment.network_s or model.network_s)
    table = []
    for step in (*question.scenario.journey.steps, *calls_as_request(question)):
        cost = model.steps[step.name]
        slices = (cost.before.mean_s + cost.after.mean_s) * cpu
        writes = cost.kind in ("write", "upload")
        reads = cost.kind in ("read", "upload")
        slices *= 2 if cost.kind == "upload" else 1
        photo = model.photo.mean_s if cost.kind == "upload" else 0.0
        flush_cpu = (model.flush_base_s / rows + model.flush_row_s) * cpu if writes else 0.0
        write = (model.write_base_s / rows + model.write_row_s) * cpu if writes else 0.0
        query = cost.query.mean_s * cpu if reads else 0.0
        beside = model.read.mean_s if reads else 0.0
        commit = model.commit.mean_s if writes else 0.0
        table.append((
            slices + flush_cpu, write + query, (query + beside), float(writes),
            float(step.name in CAUSES_CHECK), float(step.name in CAUSES_MAIL),
            network_s + slices + flush_cpu + write + query + beside + commit + photo,
        ))  # fmt: skip
    return Costs(*np.asarray(table, dtype=np.float64).T)


def rows_a_flush(question: Question, writes_per_s: float) -> float:
    """How many rows share a flush at this rate: those that gather while the lanes are busy."""
    model, deployment = question.model, question.deployment
    a_worker = writes_per_s / (deployment.most_replicas * deployment.workers)
    took = model.commit.mean_s + model.write_base_s * deployment.speed
    return float(np.clip(a_worker * took / deployment.lanes, 1.0, deployment.batch_rows))
