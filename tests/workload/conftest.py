"""What the tests of the shared language use: reproducible hypothesis, and journeys as logs."""

from collections.abc import Iterable

import pytest
from hypothesis import settings

from workload.durations import constant
from workload.journey import Itinerary, Journey, Patience, Step
from workload.visit import Ending, Outcome, Pause, walk

# A specification must not depend on the luck of the day or on how busy the machine is.
settings.register_profile("surge", deadline=None, derandomize=True, database=None)
settings.load_profile("surge")


class Log:
    """A visit written down: `("pause", s)`, `("attempt", step, number, mail)`, then the ending."""

    def __call__(
        self, itinerary: Itinerary, outcomes: Iterable[Outcome], seed: int = 1, visitor: int = 0
    ) -> list[object]:
        lines: list[object] = []
        answers = iter(outcomes)
        visit = walk(itinerary, seed, visitor)
        word = next(visit)
        while len(lines) < 100:
            try:
                if isinstance(word, Pause):
                    lines.append(("pause", word.ns / 1e9))
                    word = next(visit)
                else:
                    lines.append(("attempt", word.step, word.number, word.mail))
                    word = visit.send(next(answers))
            except StopIteration as end:
                return [*lines, Ending(end.value).name]
        raise AssertionError(f"a visit without end: {lines[:9]} ...")


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def two_steps() -> Journey:
    """Two steps, 5 s before the second; four attempts, backoff 2 s doubling to 10 s, no jitter."""
    patience = Patience(timeout_s=10, attempts=4, backoff_s=2, backoff_cap_s=10, jitter=0)
    return Journey(
        (
            Step("open_site", patience=patience),
            Step("register", pause=constant(5), patience=patience),
        )
    )


@pytest.fixture
def waiting() -> Journey:
    """One step: first poll after 30 s, then doubling to 16 min, then the mail."""
    patience = Patience(attempts=2, backoff_s=1, jitter=0)
    step = Step("await_identity", constant(30), 0.0, patience, "result", 6, 30.0, 960.0)
    return Journey((step,))
