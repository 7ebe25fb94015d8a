"""The fluid approximation: a wave as flows, every station as a bucket with a hole, in milliseconds.

Retries, polls and work for people who have left are in it, chance is not: it is right to a per cent
or so far from the cliff, and blind near it, where a queue that chance has built lives on by its own
retries (the pointwise Erlang-C tail sees only what a steady queue would do). It screens; it never
gives a verdict.

    loops ──> database ──> (inline: registry) ──> answer within the timeout, or a retry
    checks ──> registry queue ──> decision ──> the next poll, or the mail
    a step that failed for good ──> a call: to agents, or as a request
    joined ──> the draw ──> the pause before looking for the result
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammaln

from simulation.bounds import settled_costs
from simulation.buckets import (
    BASE,
    CHECKS,
    DATABASE,
    DECLINED,
    LENGTHS,
    LOOPS,
    OPENS,
    REGISTRY,
    STATIONS,
    STAYS,
    TIMEOUT,
    TRIES,
    Flows,
    flow,
)
from simulation.call_flow import phoned
from simulation.demand import (
    Costs,
    Demand,
    Flow,
    calls_as_request,
    declined_at,
    demand_of,
    equally_likely,
    has_call_centre,
    looks_from_s,
    mail_way,
    metered,
    needs_mail,
)
from simulation.replication import AFTERMATH_S, COLLAPSE, Question
from workload.journey import WIDTH, Itinerary
from workload.journey import Step as JourneyStep
from workload.visit import backoff, poll_pause
from workload.wave_draw import LOOKED_UP_BY

CELLS: Final = 12_000
FINEST_S: Final = 0.05


@dataclass(frozen=True)
class Fluid:
    """What the flows came to. ``lost`` of ``finish`` people; waits in seconds; ``load``: busiest
    minute by station; ``latency``: (p50, p95, p99) of each step, from the intended start. ``calls``
    for help, each counted once, and those of them that were never ``unanswered`` by an agent.
    """

    people: float
    finish: float
    finished: float
    longest_wait_s: dict[str, float]
    load: dict[str, float]
    success: dict[str, float]
    answered: dict[str, tuple[Flow, Flow]]  # step -> (latency s, how many), by cell
    attempts: float
    calls: float = 0.0
    unanswered: float = 0.0

    @property
    def lost(self) -> float:
        """People who would finish if nothing were ever full, and do not."""
        return max(0.0, self.finish - self.finished)

    @property
    def collapses(self) -> bool:
        """Whether more than 5 % are lost."""
        return self.lost > COLLAPSE * self.people

    @property
    def busiest(self) -> str:
        return max(self.load, key=lambda name: self.load[name])

    def latency(self, step: str, quantile: float) -> float:
        """A step's quantile over all who came to it, infinite where more failed."""
        waits, counts = self.answered[step]
        order = np.argsort(waits)
        total = float(counts.sum()) / max(self.success[step], 1e-12)
        place = int(np.searchsorted(np.cumsum(counts[order]), quantile * total))
        return float(waits[order][place]) if place < len(order) else math.inf


def fluid_of(question: Question) -> Fluid:
    """Let the wave flow; about 20 ms once compiled."""
    demand = demand_of(question)
    horizon_s = question.horizon_s or question.window_length_s + AFTERMATH_S
    cell_s = max(FINEST_S, horizon_s / CELLS)
    cells = math.ceil(horizon_s / cell_s)
    costs = settled_costs(question, demand)
    steps = _steps(question, costs, cell_s)
    delays = np.stack([_lengths(s, question, cell_s) for s in question.scenario.journey.steps])
    back = _pauses_between(question, cell_s)
    capacity = _capacity(question, cell_s, cells)
    stations = len(STATIONS)
    found = Flows(
        first=np.zeros((len(steps), cells)),
        again=np.zeros((len(steps), TRIES, cells)),
        polls=np.zeros((len(steps), cells)),
        queue=np.zeros(stations),
        work=np.zeros((stations, cells)),
        wait=np.zeros((stations, cells)),
        done=np.zeros((len(steps), cells)),
        failed=np.zeros(len(steps)),
        steps=steps,
        delays=delays,
        retry=back[0],
        poll_at=back[1],
        capacity=capacity,
        upto=np.cumsum(capacity[REGISTRY]),
        mail=_mail_cells(question, cell_s),
        tails=_tails(question, steps, capacity, cell_s),
        **_calling(question, costs, cell_s, cells),
    )
    _arrive(found, question, demand, cell_s, delays[0])
    flow(found)
    return _read(question, demand, found, steps, capacity, cell_s)


def _arrive(
    found: Flows, question: Question, demand: Demand, cell_s: float, delays: NDArray[np.int64]
) -> None:
    """Put those who come on the grid, when they try the first step."""
    cells = found.first.shape[1]
    upto = np.concatenate(([0.0], np.cumsum(demand.arrivals)))
    edges = np.arange(len(upto)) * demand.cell_s
    came = np.diff(np.interp(np.arange(cells + 1) * cell_s, edges, upto))
    came = metered(came, question.deployment, cell_s)
    for delay in delays.tolist():
        found.first[0, delay:] += came[: cells - delay] / LENGTHS if delay < cells else 0.0


def _steps(question: Question, costs: Costs, cell_s: float) -> Flow:
    inline = question.deployment.identity_check == "inline"
    shared = float(question.deployment.shared_core)
    declined, opens = declined_at(question), looks_from_s(question) or 0.0
    rows = []
    for number, step in enumerate(question.scenario.journey.steps):
        checks = costs.checks[number] * (2 if inline else 1)
        latency = costs.latency[number]
        if checks == 2:
            latency += (question.deployment.registry_latency or question.model.registry).mean_s
        patience = step.patience
        rows.append((
            costs.loop[number] + shared * costs.database[number], costs.database[number],
            checks, costs.mails[number],
            latency / cell_s, patience.timeout_s / cell_s, patience.mail_s / cell_s,
            1.0 - step.drop_out, float(needs_mail(step)), step.polls, patience.attempts,
            question.deployment.mail_loss if step.mail != "none" else 0.0,
            math.ceil(opens / cell_s) if step.name == LOOKED_UP_BY else 0.0, declined[number],
        ))  # fmt: skip
    return np.asarray(rows, dtype=np.float64)


def _calling(question: Question, costs: Costs, cell_s: float, cells: int) -> dict[str, Any]:
    """Who calls, when, and what that takes of the service where no agents answer."""
    support, call = question.scenario.journey.support, np.zeros(3)
    delays = np.zeros(LENGTHS, dtype=np.int64)
    if support:
        shared = float(question.deployment.shared_core)
        if calls_as_request(question):
            call[:2] = costs.loop[-1] + shared * costs.database[-1], costs.database[-1]
        call[2] = support.share
        delays = _lengths(support.call, question, cell_s)
    return {"calls": np.zeros((TRIES, cells)), "call": call, "call_delays": delays}


def _lengths(step: JourneyStep, question: Question, cell_s: float) -> NDArray[np.int64]:
    """Cells that a pause takes, LENGTHS equally likely ones."""
    factor = question.bending.pauses / question.bending.speed / cell_s
    return np.rint(equally_likely(step.pause, LENGTHS) * factor).astype(np.int64)


def _mail_cells(question: Question, cell_s: float) -> NDArray[np.int64]:
    """Cells from the outbox to the inbox, LENGTHS equally likely ones, far apart of the pauses."""
    at = equally_likely(mail_way(question.model, question.deployment), LENGTHS)
    # Long pauses meet short mails as often as long ones: 7 and 16 have no common factor.
    mixed = at[(np.arange(LENGTHS) * 7) % LENGTHS]
    return np.maximum(1, np.rint(mixed / cell_s)).astype(np.int64)


def _pauses_between(question: Question, cell_s: float) -> tuple[NDArray[np.int64], ...]:
    """Cells from an attempt that fails to the next one, and from the first poll to the others."""
    bending = question.bending
    plan: Itinerary = question.scenario.journey.itinerary(bending.pauses, bending.speed)
    steps = question.scenario.journey.steps
    retry = np.zeros((len(steps), TRIES), dtype=np.int64)
    polls = np.zeros((len(steps), 64), dtype=np.int64)
    for number, step in enumerate(steps):
        row = number * WIDTH
        for tried in range(TRIES):
            # A draw in the middle: the mean backoff.
            pause = backoff(plan.plan, row, tried + 1, 1 << 62) / 1e9
            retry[number, tried] = max(1, round(pause / cell_s))
        at = 0.0
        for poll in range(1, min(step.polls, 63) + 1):
            at += poll_pause(plan.plan, row, poll) / 1e9
            polls[number, poll] = round(at / cell_s)
    return retry, polls


def _capacity(question: Question, cell_s: float, cells: int) -> Flow:
    """Server-seconds of loops and database, checks and mails that a cell of time has room for."""
    model, deployment = question.model, question.deployment
    workers = deployment.most_replicas * deployment.workers
    loops = min(workers, deployment.most_replicas * deployment.cores)
    latency = (deployment.registry_latency or model.registry).mean_s
    registry = _pace(deployment.registry_slots, latency, deployment.registry_quota_per_s)
    mail = deployment.mail_connections / model.mail.mean_s if model.mail.mean_s else 1e12
    per_s = np.array([[loops], [deployment.database_cores], [registry], [mail]], dtype=np.float64)
    found = np.repeat(per_s, cells, axis=1) * cell_s
    for window in deployment.registry_windows:
        low, high = round(window.from_s / cell_s), round(window.to_s / cell_s)
        slots = min(window.slots, deployment.registry_slots)
        pace = _pace(slots, latency * window.slower, deployment.registry_quota_per_s)
        found[REGISTRY, low:high] = pace * cell_s
    return found


def _pace(slots: int, latency_s: float, quota_per_s: float) -> float:
    by_slots = slots / latency_s if latency_s else 1e12
    return min(by_slots, quota_per_s) if quota_per_s and slots else by_slots


def erlang_c(servers: int, load: float) -> float:
    """P(wait > 0) of M/M/c with ``load`` = arrivals x service (Erlang 1917); 1 where unstable.

    By the gamma function: sum of load^k / k! over k < c = e^load Q(c, load).
    """
    if load >= servers or servers < 1:
        return 1.0
    if load <= 0:
        return 0.0
    top = servers * math.log(load) - float(gammaln(servers + 1)) - load
    full = math.exp(top) / (1 - load / servers)
    return full / (float(gammaincc(servers, load)) + full)


def _tails(question: Question, steps: Flow, capacity: Flow, cell_s: float) -> Flow:
    """P(an inline check takes longer than the timeout) by load of the slots, in 256 steps.

    Its own service does with probability s; a wait in a steady M/M/c does by Erlang-C's tail.
    """
    deployment = question.deployment
    found = np.zeros(257)
    inline = np.flatnonzero(steps[:, CHECKS] == 2)
    if not len(inline):
        return found
    slots = max(1, deployment.registry_slots)
    per_s = float(capacity[REGISTRY].max()) / cell_s
    timeout_s = float(steps[inline[0], TIMEOUT]) * cell_s
    spare = max(0.0, timeout_s - float(steps[inline[0], BASE]) * cell_s)
    knots = np.asarray((deployment.registry_latency or question.model.registry).knots_s)
    slow = float((knots > timeout_s).mean())
    for step in range(257):
        load = step / 256
        tail = math.exp(-per_s * (1 - load) * spare) if load < 1 else 1.0
        found[step] = slow + (1 - slow) * erlang_c(slots, load * slots) * tail
    return found


def _read(
    question: Question, demand: Demand, found: Flows, steps: Flow, capacity: Flow, cell_s: float
) -> Fluid:
    names = question.scenario.journey.step_names
    width = max(1, round(60 / cell_s))
    load = {}
    for row, name in enumerate(STATIONS):
        kept = np.cumsum(np.insert(found.work[row], 0, 0.0))
        room = np.cumsum(np.insert(capacity[row], 0, 0.0))
        width = min(width, len(kept) - 1)
        spare = np.maximum(room[width:] - room[:-width], 1e-12)
        load[name] = float(((kept[width:] - kept[:-width]) / spare).max())
    success, answered = {}, {}
    for number, name in enumerate(names):
        done = float(found.done[number].sum())
        success[name] = done / (done + float(found.failed[number])) if done else 0.0
        waits = found.wait[LOOPS] + found.wait[DATABASE]
        if steps[number, CHECKS] == 2:
            waits = waits + found.wait[REGISTRY]
        answered[name] = ((waits + steps[number, BASE]) * cell_s, found.done[number])
    longest = {
        # Only what came there waited.
        name: float((found.wait[row] * (found.work[row] > 1e-9)).max()) * cell_s
        for row, name in enumerate(STATIONS)
    }
    calls = float(found.calls[0].sum())
    unanswered, waited_s = phoned(question, found.calls, cell_s)
    if has_call_centre(question):
        longest["call_centre"] = waited_s
    return Fluid(
        people=demand.people,
        finish=demand.finish,
        finished=_finished(question, found, steps),
        longest_wait_s=longest,
        load=load,
        success=success,
        answered=answered,
        attempts=float(found.first.sum() + found.again.sum() + found.polls.sum()),
        calls=calls,
        unanswered=unanswered,
    )


def _finished(question: Question, found: Flows, steps: Flow) -> float:
    """People who are through, or wait for a draw beyond the record: they have done all they can."""
    names, cells = question.scenario.journey.step_names, found.first.shape[1]
    last, stay = len(names) - 1, 1.0
    for number, opens in enumerate(steps[:, OPENS]):
        if opens >= cells:
            last, stay = number - 1, float(steps[number, STAYS])
            break
    through = float(found.done[last].sum()) * stay * (1.0 - float(steps[last, DECLINED]))
    # Where no step of the journey asks who they are, the mistyped are told apart by nobody.
    return through if steps[:, DECLINED].any() else through * _typed(question)


def _typed(question: Question) -> float:
    return 1.0 - question.scenario.people.mistyped
