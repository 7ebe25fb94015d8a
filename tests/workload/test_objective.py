"""Objectives: a small grammar, and a verdict that is met, missed or unknown."""

import math
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.histogram import Histogram
from workload.objective import Answer, Objective, judge, parse_objective

UNITS_S = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
spaces = st.sampled_from(["", " ", "   "])
words = st.from_regex(r"[a-z][a-z_0-9]{0,12}", fullmatch=True)
amounts = st.one_of(st.integers(0, 9999).map(str), st.decimals(0, 999, places=2).map(str))


@dataclass
class World:
    """What is known of one world, for objectives to be judged by."""

    took_s: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0
    share: float = math.nan
    wait_s: float = math.nan
    collapsing: tuple[float, float] = (math.nan, math.nan)

    def latency(self, step: str) -> Histogram | None:
        took = self.took_s.get(step)
        return None if took is None else Histogram.of([round(t * 1e9) for t in took], self.failed)

    def success(self, step: str) -> float:
        return self.share if step == "register" else math.nan

    def backlog(self, queue: str) -> float:
        return self.wait_s if queue == "identity" else math.nan

    def collapse(self) -> tuple[float, float]:
        return self.collapsing


def answer(text: str, world: World) -> Answer:
    return judge(parse_objective(text), world).answer


@given(st.integers(1, 99), words, spaces, amounts, spaces, st.sampled_from(list(UNITS_S)))
def test_a_latency_objective_reads_percentile_step_and_limit(
    p: int, step: str, gap: str, amount: str, space: str, unit: str
) -> None:
    """In any spacing; the limit in seconds."""
    found = parse_objective(f"p({p}) {step}{gap}<{gap}{amount}{space}{unit}")
    assert (found.kind, found.subject, found.sign) == ("latency", step, "<")
    assert found.quantile == pytest.approx(p / 100)
    assert found.limit == pytest.approx(float(amount) * UNITS_S[unit])


@given(words, st.floats(0, 99.99).map(lambda share: f"{share:.3f}"))
def test_a_success_objective_reads_step_and_share(step: str, share: str) -> None:
    """More than a percentage below 100."""
    found = parse_objective(f"success {step} > {share}%")
    assert (found.kind, found.subject, found.sign) == ("success", step, ">")
    assert found.limit == pytest.approx(float(share) / 100)


@given(words, amounts, st.sampled_from(list(UNITS_S)))
def test_a_backlog_objective_reads_queue_and_limit(queue: str, amount: str, unit: str) -> None:
    """Less than a time."""
    found = parse_objective(f"backlog {queue} < {amount}{unit}")
    assert (found.kind, found.subject) == ("backlog", queue)
    assert found.limit == pytest.approx(float(amount) * UNITS_S[unit])


@given(amounts)
def test_a_collapse_objective_reads_its_share(share: str) -> None:
    """Less than a percentage."""
    found = parse_objective(f"p_collapse < {share}%")
    assert (found.kind, found.subject) == ("collapse", "")
    assert found.limit == pytest.approx(float(share) / 100)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "register is fast",
        "p(99) register > 800ms",
        "p(99) register < 5%",
        "p(99) register < 800",
        "p(99) < 800ms",
        "p(99) register <= 800ms",
        "p(99) register < 800ms please",
        "p99 register < 800ms",
        "success register < 99.5%",
        "success register > 99.5s",
        "backlog identity > 2h",
        "backlog identity < 2%",
        "p_collapse > 1%",
        "p_collapse < 1s",
        "p(99) register < -5ms",
        "p(99) register < 1h\np_collapse < 1%",
    ],
)
def test_anything_else_is_answered_with_the_four_forms(text: str) -> None:
    """The remedy shows one of each kind."""
    with pytest.raises(ValueError, match=r"write `p\(99\) register < 800ms`.*backlog.*p_collapse"):
        parse_objective(text)


@pytest.mark.parametrize("text", ["p(0) register < 1s", "p(100) register < 1s", "p(500) a < 1s"])
def test_a_percentile_lies_between_0_and_100(text: str) -> None:
    """Neither of them is one."""
    with pytest.raises(ValueError, match="between 0 and 100, both excluded"):
        parse_objective(text)


def test_more_than_all_can_not_succeed() -> None:
    """It could never be met."""
    with pytest.raises(ValueError, match="write a share below 100%"):
        parse_objective("success register > 100%")


@given(st.text(max_size=40))
def test_no_text_makes_the_grammar_stumble(text: str) -> None:
    """An objective that remembers it, or a ValueError; never another error."""
    with suppress(ValueError):
        assert parse_objective(text).text == text.strip()


FAST = World(took_s={"register": [0.1] * 99 + [0.7]})
SLOW = World(took_s={"register": [0.1] * 98 + [0.9, 0.9]})
FEW = World(took_s={"register": [0.1] * 99})
BROKEN = World(took_s={"register": [0.1] * 98}, failed=2)


@pytest.mark.parametrize(
    ("text", "world", "expected"),
    [
        ("p(99) register < 800ms", FAST, Answer.MET),
        ("p(99) register < 800ms", SLOW, Answer.MISSED),
        ("p(99) register < 800ms", BROKEN, Answer.MISSED),
        ("p(99) register < 800ms", FEW, Answer.UNKNOWN),
        ("p(50) register < 800ms", FEW, Answer.MET),
        ("p(99) join_wave < 800ms", FAST, Answer.UNKNOWN),
        ("success register > 99.5%", World(share=0.996), Answer.MET),
        ("success register > 99.5%", World(share=0.995), Answer.MISSED),
        ("success register > 99.5%", World(), Answer.UNKNOWN),
        ("success join_wave > 99.5%", World(share=1.0), Answer.UNKNOWN),
        ("backlog identity < 2h", World(wait_s=7199), Answer.MET),
        ("backlog identity < 2h", World(wait_s=7200), Answer.MISSED),
        ("backlog identity < 2h", World(wait_s=math.inf), Answer.MISSED),
        ("backlog identity < 2h", World(), Answer.UNKNOWN),
        ("backlog mail < 2h", World(wait_s=1), Answer.UNKNOWN),
        ("p_collapse < 1%", World(collapsing=(0.0, 0.0099)), Answer.MET),
        ("p_collapse < 1%", World(collapsing=(0.01, 0.2)), Answer.MISSED),
        ("p_collapse < 1%", World(collapsing=(0.0, 0.05)), Answer.UNKNOWN),
        ("p_collapse < 1%", World(collapsing=(0.0, 0.01)), Answer.UNKNOWN),
        ("p_collapse < 1%", World(), Answer.UNKNOWN),
    ],
)
def test_an_objective_is_met_missed_or_unknown(text: str, world: World, expected: Answer) -> None:
    """Each kind, each answer; the planted misses are caught."""
    assert answer(text, world) is expected


@pytest.mark.parametrize(("p", "needed"), [("50", 2), ("90", 10), ("99", 100), ("99.9", 1000)])
def test_a_percentile_needs_as_many_visits_as_make_its_tail(p: str, needed: int) -> None:
    """One visit less is unknown, and the verdict says how many it takes."""
    objective = parse_objective(f"p({p}) register < 1s")
    short = judge(objective, World(took_s={"register": [0.1] * (needed - 1)}))
    enough = judge(objective, World(took_s={"register": [0.1] * needed}))
    assert (short.answer, enough.answer) == (Answer.UNKNOWN, Answer.MET)
    assert short.why == f"{needed - 1} visits; this percentile needs at least {needed}"


def test_a_margin_says_how_far_inside_the_limit() -> None:
    """As a share of the limit; negative outside; infinite becomes null in JSON."""
    met = judge(parse_objective("backlog identity < 2h"), World(wait_s=3600))
    missed = judge(parse_objective("backlog identity < 2h"), World(wait_s=10800))
    never = judge(parse_objective("backlog identity < 2h"), World(wait_s=math.inf))
    success = judge(parse_objective("success register > 50%"), World(share=0.75))
    assert (met.margin, missed.margin, success.margin) == pytest.approx((0.5, -0.5, 0.5))
    assert never.to_json() == {
        "text": "backlog identity < 2h",
        "verdict": "missed",
        "value": None,
        "margin": None,
        "why": "",
    }


@given(st.floats(0, 2), st.floats(0.001, 2))
def test_met_means_a_margin_above_zero(wait_s: float, limit_s: float) -> None:
    """Missed means one of at most zero."""
    objective = Objective("x", "backlog", "identity", "<", limit_s)
    verdict = judge(objective, World(wait_s=wait_s))
    assert (verdict.answer is Answer.MET) == (wait_s < limit_s)
    assert (verdict.margin > 0) == (wait_s < limit_s)
