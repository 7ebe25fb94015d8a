"""A wave that is bound by what stands behind the service: inline checks, retries, abandoned work.

Twenty people a second for ten minutes, then four a second for ten more; each asks a registry that
takes half a second in the mean and does not know that people leave after 1.5 s. So 14 slots are
busy to 71 % by first attempts: chance alone decides whether a queue grows past everybody's
patience, which then lives on by its own retries.
"""

from simulation.deployment import Deployment
from simulation.projection import Question
from simulation.service import ServiceModel, StepCost
from workload.durations import constant, exponential
from workload.manifest import Bending
from workload.scenario import Scenario, scenario_from

LASTS_S = 1200.0
STEP = "submit_identity"
#: First attempts a second at the peak, and seconds that a check takes.
PEAK_PER_S = 20.0
CHECK_S = 0.5


def scenario(attempts: int = 4, objectives: tuple[str, ...] = ("p_collapse < 50%",)) -> Scenario:
    """The wave; people try so many times."""
    table = {
        "schema": "surge/scenario/1",
        "name": "upstream-bound",
        "seed": 1,
        "objectives": list(objectives),
        "arrivals": {
            "duration": "20m",
            "parts": [
                {"shape": "constant", "per_s": PEAK_PER_S, "end": "10m"},
                {"shape": "constant", "per_s": 4, "start": "10m"},
            ],
        },
        "people": {},
        "patience": {
            "timeout_s": 1.5, "attempts": attempts, "backoff_s": 0.5, "backoff_cap_s": 2.0,
        },
        "steps": [{"name": STEP}],
    }  # fmt: skip
    return scenario_from(table, "upstream-bound")


def model() -> ServiceModel:
    """A service that costs next to nothing, in front of a registry that takes CHECK_S."""
    return ServiceModel(
        steps={STEP: StepCost("write", constant(1e-4), constant(1e-4))},
        commit=constant(5e-4),
        registry=exponential(CHECK_S),
        calibrated={STEP: 5000},
        fitted={"runs": ["made-up"]},
    )


def question(
    slots: int, attempts: int = 4, replications: int = 1, objectives: tuple[str, ...] = ()
) -> Question:
    """Asked of so many slots, inline."""
    return Question(
        scenario(attempts, objectives or ("p_collapse < 50%",)),
        model(),
        Deployment(registry_slots=slots, identity_check="inline"),
        Bending((0.0, LASTS_S)),
        replications=replications,
        horizon_s=LASTS_S + 600,
    )
