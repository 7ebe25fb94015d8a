"""The speed index: the same work on the cores of both sides, where they are of this machine."""

import os
from typing import Any

from loadtests.speed_probe import speed_index


def test_both_sides_are_probed_where_they_are_here_and_nobody_is_moved() -> None:
    """The thread may use the same cores afterwards as before."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    found = speed_index([core], {"cores": {"system": [core]}})
    assert set(found) == {"generator_s", "system_s"}
    assert all(0.0001 < seconds < 0.05 for seconds in found.values())
    assert os.sched_getaffinity(0) == allowed


def test_a_system_elsewhere_or_one_that_tells_no_core_is_left_out() -> None:
    """Core 4095 is none of this process's."""
    elsewhere: list[dict[str, Any]] = [{}, {"cores": {}}, {"cores": {"system": [4095]}}]
    for capacity in elsewhere:
        assert set(speed_index([], capacity)) == {"generator_s"}
