"""The probe of the collector: every collection is told, and none after it was stopped."""

import gc

from target_app.pause_probe import PauseProbe


def test_every_collection_is_told_with_its_length() -> None:
    """Of the real collector; cyclic garbage takes it some time."""
    pauses: list[float] = []
    probe = PauseProbe(pauses.append)
    probe.start()
    for _ in range(20_000):
        knot: list[object] = []
        knot.append(knot)
    gc.collect()
    probe.stop()
    told = len(pauses)
    gc.collect()
    assert told == len(pauses) > 0
    assert all(0 <= pause < 5 for pause in pauses)
    assert max(pauses) > 0
