"""A plan: for people as tables, for programs as `surge/plan/1`."""

import argparse
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from harness.progress import progress
from harness.projecting import MOST_AT_ONCE, Asked, workers
from harness.tables import Column, count, say, share, show, show_verdicts, span, three_digits
from harness.trust_tables import show_trust, widened_text
from harness.walk import Options, by_reading, named
from simulation.bounds import Bounds
from simulation.plan import Plan, find_plan
from simulation.projection import Projection
from simulation.screen import Clock
from simulation.search import SETTINGS
from simulation.sensitivity import Sensitivity
from simulation.trust import Trust, trust_of
from workload.objective import Verdict

MOST_CONFIRMATIONS = 10_000
#: So many runs without a collapse show a probability of it below 5 % (one-sided, 95 %).
CLEAN = 59


def plan_with_progress(asked: Asked, arguments: argparse.Namespace) -> Plan:
    """Search and confirm; how far it is is shown."""
    options = Options(arguments)
    confirm = options.whole("confirm", 1, MOST_CONFIRMATIONS)
    clock = Clock(options.span("max_wall"))
    options.done()
    fixed = frozenset(pair.partition("=")[0].strip() for pair in arguments.pairs)
    question = asked.question
    with (
        progress(f"planning {question.scenario.name}") as report,
        workers(arguments.executor, question, MOST_AT_ONCE, clock) as pool,
    ):
        screening = arguments.screen is not None
        return find_plan(question, fixed, confirm, clock, report, pool, screening=screening)


def plan_json(asked: Asked, found: Plan, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """`surge/plan/1`."""
    return {
        **found.to_json(),
        "scenario": named(asked.question.scenario),
        "bending": asdict(asked.question.bending),
        "model": str(asked.model_file),
        "objectives": [verdict.to_json() for verdict in verdicts],
        "agreement": asked.question.model.agreement,
        "trust": trust_of_plan(found).to_json(),
    }


def trust_of_plan(found: Plan) -> Trust:
    """Of what confirmed it."""
    return trust_of(found.confirmed.question, found.confirmed.replications)


def show_plan(
    asked: Asked, found: Plan, verdicts: Sequence[Verdict], *, asked_to_screen: bool = False
) -> None:
    """What to buy, the bounds, the verdicts, and what breaks next."""
    show_settings(found)
    show_bounds(found.bounds)
    show_verdicts(verdicts)
    show_next(found)
    show_exchange_rates(found)
    if found.sensitivity:
        show_sensitivity(found.sensitivity)
    elif asked_to_screen:
        say("", "No time was left to screen what matters most: give a longer --max-wall.")
    trust = trust_of_plan(found)
    say(*_said(found, trust))
    show_trust(trust, verdicts)
    say(*_how(asked, found))


def show_settings(found: Plan) -> None:
    columns = [Column("setting", figure=False), Column("plan"), Column("least, all else ample"),
               Column("price each"), Column("a month")]  # fmt: skip
    rows = []
    for one in SETTINGS:
        value = float(getattr(found.cheapest, one.name))
        scales = one.name == "replicas" and found.paid_replicas is not None
        paid = float(found.paid_replicas or 0.0) if scales else value
        price = found.cheapest.prices.get(one.price)
        least = found.least.get(one.name)
        rows.append([
            one.name, f"{paid:.3g} on average" if scales else f"{value:g}",
            "given" if least is None else f"{least:g}",
            "–" if price is None else f"{price:g}",
            "–" if price is None else count(price * paid),
        ])  # fmt: skip
    why = "Nothing that passes the screen is cheaper: no setting can be below its least."
    if not found.is_least:
        why = "The least values did not do together: the busiest station got more until they did."
    show("The cheapest deployment", columns, rows, f"{count(found.cost)} a month. {why}")


def show_bounds(bounds: Bounds) -> None:
    """Utilisation law and backlog, without any simulation."""
    columns = [Column("station", figure=False), Column("can do a second"), Column("mean load"),
               Column("busiest minute"), Column("longest wait, at least"),
               Column("longest queue")]  # fmt: skip
    rows = (
        [row.station, three_digits(row.per_s), share(row.mean_load), share(row.peak_load),
         span(row.backlog_s), count(row.queue)]
        for row in (*bounds.rows, *bounds.beside)
    )  # fmt: skip
    caption = (
        "Utilisation law, and Little's law for the queue. At most "
        f"{three_digits(bounds.people_per_s)} visitors a second get through on average."
    )
    show("Operational bounds, first attempts in expectation", columns, rows, caption)
    if bounds.looks:
        say("", f"By the bound, {bounds.looks.sentence}.")


def show_next(found: Plan) -> None:
    columns = [Column("demand"), Column("breaks", figure=False), Column("busiest", figure=False),
               Column("busiest minute")]  # fmt: skip
    rows = (
        [f"{one.demand - 1:+.0%}", "; ".join(one.broken) or "nothing", one.station,
         share(one.load)]
        for one in found.breaks_next
    )  # fmt: skip
    show("What breaks next", columns, rows, "By the screen: one seed and the fluid model.")


def show_exchange_rates(found: Plan) -> None:
    """Between policy and servers; policies that save nothing anywhere are told in one line."""
    if not found.exchange_rates:
        return
    say("", "Exchange rates, at the same verdict by the screen, all other settings as planned")
    say(*(f"  {one.sentence}" for one in found.exchange_rates if one.saved != 0))
    telling = {one.policy for one in found.exchange_rates if one.saved != 0}
    idle = dict.fromkeys(one.policy for one in found.exchange_rates if one.policy not in telling)
    if idle:
        say(f"  nothing changes with: {'; '.join(idle)}")


def show_sensitivity(found: Sensitivity) -> None:
    """Elementary effects, each of the objective that the factor matters most to."""
    columns = [Column("factor", figure=False), Column("from"), Column("to"), Column("mu*"),
               Column("mu"), Column("sigma"), Column("matters most to", figure=False)]  # fmt: skip
    rows = []
    for one in found.influences:
        text, effect = one.strongest
        rows.append([
            one.factor.name, f"{one.factor.at(0.0):.4g}", f"{one.factor.at(1.0):.4g}",
            f"{effect.strength:.3f}", f"{effect.mean:+.3f}", f"{effect.spread:.3f}",
            text if effect.strength else "nothing",
        ])  # fmt: skip
    world = "the whole wave simulated on one seed" if found.whole else "the fluid model"
    caption = (
        f"Elementary effects (Morris 1991) on strain = value / (value + limit), 0.5 at the limit; "
        f"{found.trajectories} trajectories, {found.answers} answers of {world}."
    )
    show("What matters most", columns, rows, caption)


def nobody_asked(confirmed: Projection) -> Iterator[str]:
    """Collapses that no objective judges: the plan meets what was asked, and loses people."""
    objectives = confirmed.question.scenario.objectives
    if confirmed.collapses and not any(one.kind == "collapse" for one in objectives):
        worst = max(one.lost_share for one in confirmed.replications)
        yield (
            f"  Up to {share(worst)} of the people are lost, and no objective of the scenario asks "
            'about that: add "p_collapse < 1%" to have it planned for.'
        )


def _said(found: Plan, trust: Trust) -> Iterator[str]:
    yield ""
    yield f"Bottleneck: {found.bounds.bottleneck.sentence}."
    done, collapses = len(found.confirmed.replications), found.confirmed.collapses
    low, high = found.confirmed.collapse()
    yield (
        f"Confirmed by {done} of {found.wanted} replications: {collapses} collapsed; probability "
        f"between {share(low)} and {share(high)} (95 %)."
    )
    yield from nobody_asked(found.confirmed)
    if done < found.wanted:
        yield "  Time ran out before all of them: give a longer --max-wall."
    cliff = found.cliff
    if cliff.at is None:
        yield f"Cliff: the fluid model collapses at no {cliff.setting} below {cliff.chosen:g}."
    else:
        away = cliff.chosen - cliff.at
        yield (
            f"Cliff: {cliff.setting} collapses at {cliff.at:.4g} by the fluid model, {away:.4g} "
            f"({share(away / cliff.chosen)}) below the plan; chance makes it collapse earlier."
        )
        yield widened_text(trust, "  The model's error puts it", cliff.at, cliff.at)
    if cliff.demand is not None:
        yield f"An objective breaks above {cliff.demand:.2f} times the demand (screened)."
        yield widened_text(trust, "  The model's error puts it", cliff.demand, cliff.demand)
    for warning in found.warnings:
        yield f"Simulation and bound disagree: {warning}."


def _how(asked: Asked, found: Plan) -> Iterator[str]:
    done = len(found.confirmed.replications)
    yield (
        f"{found.screened} deployments screened, {found.simulated} replications simulated in "
        f"{span(found.wall_s)}; {by_reading(asked.question.scenario)}model {asked.model_file}"
    )
    if done < CLEAN:
        yield f"To confirm it by {CLEAN} runs, without another search:"
        yield f"  {confirming_command(asked, found)}"


def confirming_command(asked: Asked, found: Plan) -> str:
    """`surge simulate` of the plan with CLEAN replications, on the same wave and luck."""
    question, scenario = asked.question, asked.question.scenario
    bending, deployment = question.bending, found.cheapest
    words = ["surge", "simulate", asked.scenario_given, "--model", str(asked.model_file)]
    words += ["--deployment", asked.deployment_given, "--seed", str(scenario.seed)]
    if scenario.reading:
        words += ["--reading", scenario.reading]
    if bending.window_s != (0.0, scenario.curve.duration_s):
        words += ["--window", "{:g}s..{:g}s".format(*bending.window_s)]
    for name in ("thin", "speed", "pauses"):
        if getattr(bending, name) != 1.0:
            words += [f"--{name}", f"{getattr(bending, name):g}"]
    if bending.population is not None:
        words += ["--population", f"{bending.population:g}"]
    if question.horizon_s is not None:
        words += ["--horizon", f"{question.horizon_s:g}s"]
    bought = {setting.name for setting in SETTINGS}
    for pair in asked.pairs:
        if pair.partition("=")[0].strip() not in bought:
            words += ["--set", pair]
    for setting in SETTINGS:
        words += ["--set", f"{setting.name}={getattr(deployment, setting.name):g}"]
    return shlex.join([*words, "--replications", str(CLEAN), "--max-wall", "30m"])
