"""Exchange rates between policy and servers: what theory says, nothing where nothing changes."""

from dataclasses import replace

import pytest

from simulation.deployment import Deployment
from simulation.exchange import Exchange, exchange_rates, least_near, policies_of
from simulation.replication import Question
from simulation.screen import Clock, Screen
from simulation.search import Setting, settings_to_search
from tests.simulation import upstream_bound
from workload.opening import Opening

OBJECTIVE = "backlog identity < 2min"


def queued(slots: int) -> Question:
    """The wave of `upstream_bound`, its checks in a durable queue without a quota."""
    asked = upstream_bound.question(slots, objectives=(OBJECTIVE,))
    prices = {"registry_slot": 10.0}
    return replace(asked, deployment=Deployment(registry_slots=slots, prices=prices))


def unwatched(share: float) -> None:
    """Nobody watches."""
    assert 0 <= share <= 1


def slots_of(question: Question) -> Setting:
    return next(
        one
        for one in settings_to_search(question.deployment, frozenset())
        if one.name == "registry_slots"
    )


def staggered(question: Question, *delays_s: float) -> Question:
    """The same people in equal waves."""
    delays = tuple(round(delay * 1e6) for delay in delays_s)
    opening = Opening("waves", delays, (1 / len(delays),) * len(delays))
    curve = question.scenario.curve.opened(opening)
    return replace(
        question,
        scenario=replace(question.scenario, curve=curve),
        bending=replace(question.bending, window_s=(0.0, curve.duration_s)),
        horizon_s=curve.duration_s + 600,
    )


def rates(question: Question) -> dict[str, Exchange]:
    screen = Screen(question, Clock(120))
    found = exchange_rates(screen, question.deployment, [slots_of(question)], Clock(120), unwatched)
    return {one.policy: one for one in found}


@pytest.mark.slow
def test_a_staggered_opening_halves_the_slots() -> None:
    """Waits below 2 min: 600 (r - 2 c) < 240 c, so c > r / 2.4 for r a second in ten minutes.

    Everybody at once, r = 20 and c = 9; in two waves twenty minutes apart r = 10 and c = 5. So
    everybody at once instead of those waves takes four slots more; one unit is left to chance.
    """
    question = staggered(queued(5), 0.0, 1200.0)
    found = rates(question)["everybody at once instead of the staggered opening"]
    assert found.before == pytest.approx(5, abs=1)
    assert found.after == pytest.approx(9, abs=1)
    assert found.saved == pytest.approx(-4, abs=1)
    assert "registry slots more" in found.sentence


@pytest.mark.slow
def test_waves_are_offered_where_everybody_comes_at_once() -> None:
    """Four waves five minutes apart carry the same people in more time: fewer slots."""
    found = rates(queued(9))["four waves 5 min apart instead of everybody at once"]
    assert found.before == pytest.approx(9, abs=1)
    assert found.after is not None
    assert found.after < found.before
    assert found.to_json()["saved_a_month"] == 10.0 * (found.before - found.after)


@pytest.mark.slow
def test_patience_saves_nothing_where_nobody_waits_for_an_answer() -> None:
    """Checks in a durable queue hold up no request: no retries, whatever people's patience is."""
    found = rates(queued(9))
    assert found["two attempts instead of four"].saved == 0
    assert found["a timeout of 3 s instead of 1.5 s"].saved == 0
    assert "changes nothing" in found["two attempts instead of four"].sentence


@pytest.mark.slow
def test_a_longer_timeout_saves_slots_where_abandoned_work_goes_on() -> None:
    """Inline checks go on for people who have left: who waits longer leaves less of it behind."""
    found = rates(upstream_bound.question(18, objectives=("p_collapse < 5%",)))
    longer = found["a timeout of 3 s instead of 1.5 s"]
    shorter = found["a timeout of 0.75 s instead of 1.5 s"]
    assert longer.saved is not None
    assert longer.saved >= 1
    assert shorter.saved is not None
    assert shorter.saved <= -3


def test_a_policy_that_nothing_can_mend_is_said_to_be_one() -> None:
    """Half the timeout is shorter than the check itself takes: no number of slots helps."""
    question = upstream_bound.question(
        18, attempts=1, objectives=("success submit_identity > 90%",)
    )
    screen = Screen(question, Clock(60))
    short = next(one for one in policies_of(question) if one.name.startswith("a timeout of 0.75 s"))
    hasty = Screen(short.apply(question), screen.clock)
    assert least_near(hasty, question.deployment, slots_of(question), 18.0) is None


def test_policies_are_those_that_the_scenario_can_express() -> None:
    """One attempt can't be halved, its backoff means nothing; a part of a wave has no waves."""
    names = [one.name for one in policies_of(upstream_bound.question(9, attempts=1))]
    assert not [name for name in names if "attempt" in name or "backoff" in name]
    part = queued(9)
    part = replace(part, bending=replace(part.bending, window_s=(0.0, 600.0)))
    assert not [one for one in policies_of(part) if "waves" in one.name]
    whole = [one.name for one in policies_of(queued(9))]
    assert "two attempts instead of four" in whole
    assert "a first backoff of 2 s instead of 0.5 s" in whole


def test_a_sentence_counts_in_words_and_in_money() -> None:
    """As people would say it."""
    one = Exchange("two attempts instead of four", "registry_slots", 12, 9, 10.0)
    words = "three registry slots saved (9 instead of 12, 30 a month)"
    assert one.sentence == f"two attempts instead of four = {words}"
    assert "one replica more" in Exchange("p", "replicas", 1, 2, None).sentence
    assert "no number of database cores" in Exchange("p", "database_cores", 1, None, 1.0).sentence
    assert Exchange("p", "replicas", 1, None, 2.0).to_json()["saved_a_month"] is None


def test_without_time_there_are_no_rates() -> None:
    """The clock of the rates is its own: a plan is given without them."""
    question = queued(9)
    screen = Screen(question, Clock(60))
    given = [slots_of(question)]
    assert exchange_rates(screen, question.deployment, given, Clock(0), unwatched) == ()
