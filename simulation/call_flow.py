"""The call centre of the fluid approximation: calls as a flow, agents as a bucket with a hole."""

from __future__ import annotations

import numpy as np

from simulation.buckets import LENGTHS, TRIES, Phones, answer_calls
from simulation.demand import Flow, equally_likely, has_call_centre
from simulation.replication import Question
from simulation.shifts import agents_at
from workload.journey import CALLS, WIDTH
from workload.visit import backoff


def phoned(question: Question, calls: Flow, cell_s: float) -> tuple[float, float]:
    """(callers whom nobody ever answers, the longest wait in s) at the call centre."""
    support, deployment = question.scenario.journey.support, question.deployment
    talk_s = deployment.call_length.mean_s
    if not support or not has_call_centre(question) or not talk_s or not calls.any():
        return 0.0, 0.0
    cells, bending = calls.shape[1], question.bending
    agents = np.full(cells, float(deployment.agents))
    if deployment.agent_shifts:
        clock_h = question.scenario.opens_h + bending.window_s[0] / 3600
        hours = clock_h + np.arange(cells) * cell_s * bending.speed / 3600
        agents = agents_at(deployment.agent_shifts, hours)
    plan = question.scenario.journey.itinerary(bending.pauses, bending.speed).plan
    row = plan[CALLS] * WIDTH
    retry = [backoff(plan, row, tried + 1, 1 << 62) / 1e9 / cell_s for tried in range(TRIES)]
    phones = Phones(
        calls=calls,
        capacity=agents * (cell_s / talk_s),
        patience=equally_likely(deployment.call_patience, LENGTHS) / cell_s,
        retry=np.maximum(1, np.rint(retry)).astype(np.int64),
        attempts=support.call.patience.attempts,
        wait=np.zeros(cells),
        hung=np.zeros(1),
    )
    answer_calls(phones)
    longest = np.minimum(phones.wait, phones.patience[-1])[calls.sum(axis=0) > 0]
    return float(phones.hung[0]), float(longest.max()) * cell_s
