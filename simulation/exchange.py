"""Exchange rates between policy and servers: what another policy saves, at the same verdict.

For each policy that the scenario can express (fewer attempts, longer backoff, another timeout, a
staggered opening) and each setting that was looked for: the least value that passes the screen in
the plan's own world, and in the world of the other policy, all other settings as planned. The same
people walk both worlds on the same luck, so the difference is the policy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from simulation.cliff import Axis
from simulation.deployment import Deployment
from simulation.replication import Question
from simulation.screen import Clock, Screen
from simulation.search import AMPLE, Setting, bisect, with_values
from workload.arrivals import ArrivalCurve
from workload.errors import InvalidRunError
from workload.opening import EVERYONE, Opening

#: What people and their clients could do instead, as factors.
LONGER_BACKOFF: Final = 4.0
TIMEOUTS: Final = (2.0, 0.5)
#: An opening in so many waves, at most so far apart; closer together than a minute is none.
WAVES: Final = 4
APART_S: Final = 3600.0
CLOSEST_S: Final = 60.0
WORDS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
                "eleven", "twelve")  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """Another policy: ``name`` says what instead of what; ``apply`` gives the question of it."""

    name: str
    apply: Callable[[Question], Question]


@dataclass(frozen=True)
class Exchange:
    """``before`` and ``after``: the least value of the setting under the plan's own policy and the
    other one; ``after`` is None where no amount of it meets the objectives any more. ``price``: a
    month, of one unit; None where it has none.
    """

    policy: str
    setting: str
    before: float
    after: float | None
    price: float | None

    @property
    def saved(self) -> float | None:
        """Units that the other policy saves; negative: what it costs."""
        return None if self.after is None else round(self.before - self.after, 9)

    @property
    def sentence(self) -> str:
        """Such as: two attempts instead of four = three registry slots saved (9 instead of 12)."""
        noun = _noun(self.setting, 2)
        if self.after is None or self.saved is None:
            return f"{self.policy}: no number of {noun} meets the objectives"
        if not self.saved:
            return f"{self.policy}: changes nothing in {noun} ({self.before:g})"
        units = abs(self.saved)
        words = f"{_in_words(units)} {_noun(self.setting, units)}"
        verb = "saved" if self.saved > 0 else "more"
        money = "" if not self.price else f", {units * self.price:,.0f} a month"
        instead = f"{self.after:g} instead of {self.before:g}"
        return f"{self.policy} = {words} {verb} ({instead}{money})"

    def to_json(self) -> dict[str, Any]:
        saved = self.saved
        return {
            "policy": self.policy,
            "setting": self.setting,
            "before": self.before,
            "after": self.after,
            "saved": saved,
            "saved_a_month": None if saved is None or self.price is None else saved * self.price,
            "sentence": self.sentence,
        }


def policies_of(question: Question) -> tuple[Policy, ...]:
    """Policies that the question can be asked of instead of its own."""
    patience = question.scenario.journey.steps[0].patience
    found = []
    if patience.attempts > 1:
        fewer = patience.attempts // 2
        name = f"{_in_words(fewer)} {'attempt' if fewer == 1 else 'attempts'} instead of "
        found.append(_patience(name + _in_words(patience.attempts), attempts=fewer))
        first, cap = patience.backoff_s * LONGER_BACKOFF, patience.backoff_cap_s
        if first > 0:
            name = f"a first backoff of {first:g} s instead of {patience.backoff_s:g} s"
            found.append(_patience(name, backoff_s=first, backoff_cap_s=max(first, cap)))
    for factor in TIMEOUTS:
        timeout_s = patience.timeout_s * factor
        name = f"a timeout of {timeout_s:g} s instead of {patience.timeout_s:g} s"
        found.append(_patience(name, timeout_s=timeout_s))
    return (*found, *_openings(question))


def _patience(name: str, **values: float) -> Policy:
    def apply(question: Question) -> Question:
        for key, value in values.items():
            question = Axis(key, ()).applied(question, value)
        return question

    return Policy(name, apply)


def _openings(question: Question) -> Iterator[Policy]:
    """Everybody at once instead of the scenario's staggered opening, or the other way round.

    Only of a whole wave: nobody knows what a part of it would be under another opening.
    """
    curve = question.scenario.curve
    if not is_whole_wave(question):
        return
    if curve.opening.last_s > 0:
        name = "everybody at once instead of the staggered opening"
        yield Policy(name, lambda asked: opened(asked, EVERYONE))
    elif waves := waves_of(curve):
        far = f"{waves.delays_us[1] / 60e6:g} min"
        name = f"{_in_words(WAVES)} waves {far} apart instead of everybody at once"
        yield Policy(name, lambda asked: opened(asked, waves))


def is_whole_wave(question: Question) -> bool:
    """Whether nothing is cut off the wave, so that it can be opened another way."""
    return question.bending.window_s == (0.0, question.scenario.curve.duration_s)


def waves_of(curve: ArrivalCurve) -> Opening | None:
    """WAVES equal ones, at most APART_S apart; None where they would be closer than a minute."""
    apart_s = min(APART_S, math.floor(curve.own_s / WAVES))
    delays = tuple(round(number * apart_s * 1e6) for number in range(WAVES))
    return Opening("waves", delays, (1 / WAVES,) * WAVES) if apart_s >= CLOSEST_S else None


def opened(question: Question, opening: Opening) -> Question:
    """The same people on the same luck, let in by another policy; the record ends as much later."""
    old, curve = question.scenario.curve, question.scenario.curve.opened(opening)
    horizon_s = question.horizon_s
    if horizon_s is not None:
        longer_s = (curve.duration_s - old.duration_s) / question.bending.speed
        horizon_s = max(1.0, horizon_s + longer_s)
    return replace(
        question,
        scenario=replace(question.scenario, curve=curve),
        bending=replace(question.bending, window_s=(0.0, curve.duration_s)),
        horizon_s=horizon_s,
    )


def exchange_rates(
    screen: Screen,
    chosen: Deployment,
    searched: Sequence[Setting],
    clock: Clock,
    tell: Callable[[float], None],
) -> tuple[Exchange, ...]:
    """Of every policy, for every setting; those for which the clock leaves no time are left out.

    ``screen``: the plan's own; settings that come first are looked at first.
    """
    # What the plan's own screen knows already is not asked again.
    own = replace(screen, clock=clock)
    worlds = [
        (
            policy,
            Screen(policy.apply(screen.question), clock, whole=screen.is_whole, pool=screen.pool),
        )
        for policy in policies_of(screen.question)
    ]
    found = []
    for number, setting in enumerate(searched, 1):
        before = _in_time(own, chosen, setting, float(getattr(chosen, setting.name)))
        if before is None or before[0] is None:
            continue
        start = before[0]
        asked = [(other, chosen, setting, start) for _, other in worlds]
        after = own.several(lambda each: _in_time(*each), asked)
        price = chosen.prices.get(setting.price)
        for (policy, _), value in zip(worlds, after, strict=True):
            if value is not None:
                found.append(Exchange(policy.name, setting.name, start, value[0], price))
        tell(number / len(searched))
    return tuple(found)


def _in_time(
    screen: Screen, chosen: Deployment, setting: Setting, start: float
) -> tuple[float | None] | None:
    """(the least value,), or None where there was no time for it."""
    try:
        return (least_near(screen, chosen, setting, start),)
    except InvalidRunError:
        return None


def least_near(screen: Screen, chosen: Deployment, setting: Setting, start: float) -> float | None:
    """The least value of a setting that passes the screen, the others as chosen; None: none does.

    It is sought from ``start`` on: down where that passes, else up to what is ample. The fluid
    finds the least that it can't deny; what is simulated begins there.
    """
    whole = setting.name != "registry_quota_per_s"

    def with_value(value: float) -> Deployment:
        return with_values(chosen, {setting.name: value})

    def flows(value: float) -> bool:
        return not screen.flows_break(with_value(value))

    def passes(value: float) -> bool:
        return not screen.broken(with_value(value))

    low = 0.0 if whole else start / 1024
    if not passes(start):
        ample = max(AMPLE, float(math.ceil(AMPLE * start)))
        return bisect(passes, start, ample, whole)[1] if passes(ample) else None
    least = bisect(flows, low, start, whole)[1]
    return least if passes(least) else bisect(passes, least, start, whole)[1]


def _in_words(value: float) -> str:
    whole = value == int(value) and value < len(WORDS)
    return WORDS[int(value)] if whole else f"{value:g}"


def _noun(setting: str, count: float) -> str:
    if setting == "registry_quota_per_s":
        return "registry calls a second"
    noun = setting.replace("_", " ")
    return noun.removesuffix("s") if count == 1 else noun
