"""Recording and alert rules: two objectives by their burn rate, and what makes a run worthless.

An objective leaves a budget, the share that may fail. Its burn rate is how many times faster than
sustainable the budget goes. Pairs of a long and a short window, after Google's SRE workbook, call
somebody early for a fast burn and file a ticket for a slow one; the short window ends the alert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from grafana.dashboard import LATE_S, OPERATOR

#: (burn rate, long window, short window, how it is told)
BURNS: Final = (
    (14.4, "1h", "5m", "page"),
    (6.0, "6h", "30m", "page"),
    (3.0, "1d", "2h", "ticket"),
    (1.0, "3d", "6h", "ticket"),
)
WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
#: The bucket bound below a quarter of a second: an objective sits on a bound, never between two.
SLOW_S: Final = "0.222064"
BACKLOG_S: Final = 7200


@dataclass(frozen=True)
class Objective:
    """``bad`` and ``all``: rates over WINDOW. ``budget``: the share that may be bad."""

    name: str
    alert: str
    bad: str
    all: str
    budget: float
    says: str
    do: str

    def record(self, window: str) -> str:
        return f"surge:{self.name}:ratio_rate{window}"

    def ratio(self, window: str) -> str:
        return f"({self.bad}) / ({self.all})".replace("WINDOW", window)


OBJECTIVES: Final = (
    Objective(
        "errors", "ErrorBudgetBurns",
        bad=f'sum(rate(surge_requests_total{{route!~"{OPERATOR}", status=~"5.."}}[WINDOW]))',
        all=f'sum(rate(surge_requests_total{{route!~"{OPERATOR}"}}[WINDOW]))',
        budget=0.005,
        says="Visitors get 5xx: 99.5 % shall be answered.",
        do="See Errors by step, then Waiting by station: the longest queue is the cause.",
    ),
    Objective(
        "slow_registers", "LatencyBudgetBurns",
        bad='sum(rate(surge_route_seconds_count{route="register"}[WINDOW])) - '
        f'sum(rate(surge_route_seconds_bucket{{route="register", le="{SLOW_S}"}}[WINDOW]))',
        all='sum(rate(surge_route_seconds_count{route="register"}[WINDOW]))',
        budget=0.05,
        says=f"Registering is slow: 95 % shall take at most {SLOW_S} s.",
        do="See Waiting by station and Cores used; shed admission protects those inside.",
    ),
)  # fmt: skip


def make() -> dict[str, Any]:
    """The rule file: records often, alerts of both kinds of objective, alerts of the system."""
    short = [_record(objective, "5m") for objective in OBJECTIVES]
    longer = [_record(o, window) for o in OBJECTIVES for window in WINDOWS[1:]]
    burning = [_burn(o, *burn) for o in OBJECTIVES for burn in BURNS]
    return {
        "groups": [
            {"name": "surge-objectives", "interval": "5s", "rules": short},
            {"name": "surge-objectives-long", "interval": "1m", "rules": longer + burning},
            {"name": "surge-system", "interval": "5s", "rules": _system()},
        ]
    }


def _record(objective: Objective, window: str) -> dict[str, Any]:
    return {"record": objective.record(window), "expr": objective.ratio(window)}


def _burn(objective: Objective, burn: float, long: str, short: str, how: str) -> dict[str, Any]:
    limit = round(burn * objective.budget, 6)
    both = " and ".join(f"{objective.record(window)} > {limit}" for window in (long, short))
    labels = {"severity": how, "window": long}
    return _alert(objective.alert, both, "0s", labels, (objective.says, objective.do))


def _alert(
    name: str, expr: str, lasting: str, labels: dict[str, str], words: tuple[str, str]
) -> dict[str, Any]:
    says = dict(zip(("summary", "description"), words, strict=True))
    return {"alert": name, "expr": expr, "for": lasting, "labels": labels, "annotations": says}


def _system() -> list[dict[str, Any]]:
    """Late is `loadtests.pacer`'s word: more than 1 % of the attempts more than 50 ms late."""
    on_time = f'sum(rate(surge_generator_lag_seconds_bucket{{le="{LATE_S}"}}[1m]))'
    sent = "sum(rate(surge_generator_lag_seconds_count[1m]))"
    calls = 'sum(rate(surge_station_service_seconds_count{station="registry_client"}[5m]))'
    page, ticket = {"severity": "page"}, {"severity": "ticket"}
    return [
        _alert("ProcessDown", 'up{job!="generator"} == 0', "10s", page,
               ("{{ $labels.job }} does not answer its scrape.",
                "Look whether the process runs, and at the last lines of its log.")),
        _alert("GeneratorLate", f"1 - {on_time} / {sent} > 0.01", "5s", ticket,
               ("More than 1 % of the attempts are sent late: the run is invalid.",
                "Give the generator more workers or cores of its own, or offer less load.")),
        _alert("IdentityBacklog",
               f'sum(surge_queue_depth{{queue="identity"}}) / {calls} > {BACKLOG_S}', "1m", page,
               ("At this pace identity checks wait for more than two hours.",
                "The ministry's slots and quota set the pace: see Registry slots.")),
        _alert("RegistryFull", "avg_over_time(surge_twin_busy_slots[5m]) / surge_twin_slots > 0.9",
               "1m", ticket,
               ("The registry's slots are more than 90 % busy.",
                "Waiting grows without bound near 100 %: ask for more slots, or spread arrivals.")),
    ]  # fmt: skip
