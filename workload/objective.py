"""What is good enough: objectives as people write them, and the verdict, a pure function.

    p(99) register < 800ms      a step's latency, from the intended start
    success register > 99.5%    share of the visits to a step that were answered
    backlog identity < 2h       the longest wait in a queue
    p_collapse < 1%             the probability that more than 5 % are lost

A verdict is met, missed, or unknown where there is too little to judge by.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from workload.histogram import Histogram
from workload.summary import finite

#: So many of the attempts may be cut by the end of a record before nothing is shown by the others.
CUT_SHARE: Final = 0.01
UNITS_S: Final = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
PATTERN: Final = re.compile(
    r"^(?:p\((?P<p>\d+(?:\.\d+)?)\)\s+(?P<step>\w+)|success\s+(?P<success>\w+)"
    r"|backlog\s+(?P<queue>\w+)|(?P<collapse>p_collapse))"
    r"\s*(?P<sign>[<>])\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|min|h|%)$"
)
REMEDY: Final = (
    "write `p(99) register < 800ms`, `success register > 99.5%`, `backlog identity < 2h` "
    "or `p_collapse < 1%`"
)


class Answer(StrEnum):
    """The three answers of a verdict."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


class Facts(Protocol):
    """What an objective is judged by: a measured or a projected world."""

    def latency(self, step: str) -> Histogram | None:
        """Step latencies, or None where the step was never reached or is uncalibrated."""

    def success(self, step: str) -> float:
        """Share answered; NaN where unknown."""

    def backlog(self, queue: str) -> float:
        """Longest wait in the queue, seconds; NaN where unknown."""

    def collapse(self) -> tuple[float, float]:
        """Interval (95 %) of the probability of collapse; NaN where unknown."""


@dataclass(frozen=True)
class Objective:
    """``kind`` is latency, success, backlog or collapse; ``limit`` in seconds or as a share."""

    text: str
    kind: str
    subject: str
    sign: str
    limit: float
    quantile: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """``margin``: how far inside the limit, as a share of it (negative: outside)."""

    objective: Objective
    answer: Answer
    value: float
    margin: float
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.objective.text,
            "verdict": self.answer.value,
            "value": finite(self.value),
            "margin": finite(self.margin),
            "why": self.why,
        }


def parse_objective(text: str) -> Objective:
    """An objective from its text; ValueError with the remedy."""
    found = PATTERN.match(text.strip())
    if not found:
        raise ValueError(REMEDY)
    share = found["unit"] == "%"
    limit = float(found["limit"]) * (0.01 if share else UNITS_S[found["unit"]])
    for kind, group in (("latency", "step"), ("success", "success"), ("backlog", "queue")):
        if found[group]:
            wanted = {"latency": "<", "success": ">", "backlog": "<"}[kind]
            if share != (kind == "success") or found["sign"] != wanted:
                raise ValueError(REMEDY)
            quantile = float(found["p"]) / 100 if kind == "latency" else math.nan
            if kind == "latency" and not 0 < quantile < 1:
                raise ValueError("a percentile lies between 0 and 100, both excluded")
            if kind == "success" and limit >= 1:
                raise ValueError("more than all can't succeed; write a share below 100%")
            return Objective(text.strip(), kind, found[group], found["sign"], limit, quantile)
    if not share or found["sign"] != "<":
        raise ValueError(REMEDY)
    return Objective(text.strip(), "collapse", "", found["sign"], limit)


def judge(objective: Objective, facts: Facts) -> Verdict:
    """The verdict on one objective."""
    if objective.kind == "latency":
        return _judge_latency(objective, facts.latency(objective.subject))
    if objective.kind == "collapse":
        low, high = facts.collapse()
        if math.isnan(high) or low < objective.limit <= high:
            why = "the interval of the probability holds the limit: more replications are needed"
            return Verdict(objective, Answer.UNKNOWN, high, math.nan, why)
        return _verdict(objective, high if high < objective.limit else low)
    value = (
        facts.success(objective.subject)
        if objective.kind == "success"
        else facts.backlog(objective.subject)
    )
    if math.isnan(value):
        return Verdict(objective, Answer.UNKNOWN, value, math.nan, "nothing was recorded")
    return _verdict(objective, value)


def unless_cut(verdict: Verdict, cut: int, recorded: int) -> Verdict:
    """The same verdict, but never a step's met where the end of the record cut too much.

    ``cut``: attempts that were sent and had no answer by then; ``recorded``: those that have a row.
    Whoever was cut waited longest: a service that died would look as it was before.
    """
    met = verdict.answer is Answer.MET and verdict.objective.kind in ("latency", "success")
    sent = cut + recorded
    if not met or cut <= CUT_SHARE * sent:
        return verdict
    why = (
        f"{cut} of {sent} attempts had no answer when the record ended: let visits go on for "
        "longer (--drain), or find out why nothing answered"
    )
    return replace(verdict, answer=Answer.UNKNOWN, margin=math.nan, why=why)


def _judge_latency(objective: Objective, latency: Histogram | None) -> Verdict:
    needed = math.ceil(1 / (1 - objective.quantile) - 1e-6)  # 100 for p(99), 1,000 for p(99.9)
    seen = latency.total if latency else 0
    if latency is None or seen < needed:
        why = f"{seen} visits; this percentile needs at least {needed}"
        return Verdict(objective, Answer.UNKNOWN, math.nan, math.nan, why)
    return _verdict(objective, latency.quantile(objective.quantile))


def _verdict(objective: Objective, value: float) -> Verdict:
    inside = value < objective.limit if objective.sign == "<" else value > objective.limit
    distance = objective.limit - value if objective.sign == "<" else value - objective.limit
    margin = distance / objective.limit if objective.limit else math.nan
    return Verdict(objective, Answer.MET if inside else Answer.MISSED, value, margin)
