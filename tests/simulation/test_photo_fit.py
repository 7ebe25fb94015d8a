"""What a photo takes and how large it is: counted by the store; nothing where nobody counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulation.evidence import Run, Window
from simulation.photo_fit import fit_photo
from workload.history import History
from workload.manifest import Bending, Manifest
from workload.telemetry import Telemetry

TOOK = "surge_twin_service_seconds"


def window(*counted: tuple[str, str, float]) -> Window:
    """Ten seconds in which these counters grew, from a hundred that they stood at before."""
    instants = np.array([0, 10 * 10**9], dtype=np.int64)
    series = {
        (source, name): (instants, np.array([100.0, 100.0 + grown]))
        for source, name, grown in counted
    }
    manifest = Manifest("measured", "planted", "0" * 12, 1, Bending((0.0, 10.0)))
    run = Run(Path("planted"), manifest, History.of(("open_site",), []), Telemetry(series))
    return Window(run, 0.0, 10.0)


def photos(slow: float = 2.0, asked_s: float = 0.0) -> Window:
    """Ten photos of 50 kB, eight of them below 0.1 s and all below 0.2; 1.2 s in all."""
    return window(
        ("photos", 'surge_twin_requests_total{status="200"}', 10.0),
        ("photos", 'surge_twin_requests_total{status="422"}', 3.0),
        ("photos", "surge_photos_bytes_total", 500_000.0),
        ("photos", f"{TOOK}_count", 10.0),
        ("photos", f"{TOOK}_sum", 1.2),
        ("photos", f'{TOOK}_bucket{{le="0.1"}}', 10.0 - slow),
        ("photos", f'{TOOK}_bucket{{le="0.2"}}', 10.0),
        ("photos", f'{TOOK}_bucket{{le="+Inf"}}', 10.0),
        ("service", "surge_photo_store_seconds_count", 10.0),
        ("service", "surge_photo_store_seconds_sum", asked_s),
    )


def test_size_is_bytes_a_photo_and_duration_has_the_measured_mean() -> None:
    """What was refused has no size; asking for the photo's facts comes on top."""
    photo, kb = fit_photo([photos()])
    assert kb == pytest.approx(50)
    assert photo.mean_s == pytest.approx(0.12)
    assert photo.knots_s[0] < photo.knots_s[-1]
    later, _ = fit_photo([photos(asked_s=0.05)])
    assert later.mean_s == pytest.approx(0.12 + 0.005)


def test_windows_are_counted_together() -> None:
    _, kb = fit_photo([photos(), window(), photos()])
    assert kb == pytest.approx(50)


def test_where_no_photo_came_nothing_is_known_of_one() -> None:
    photo, kb = fit_photo([window(("service", "surge_photo_store_seconds_count", 4.0))])
    assert (photo.mean_s, kb) == (0.0, 0.0)
