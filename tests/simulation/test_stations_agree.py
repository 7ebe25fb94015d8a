"""Service and model mean the same stations: names and order, from the service's own source."""

from __future__ import annotations

from dataclasses import fields

from simulation import layout as at
from simulation.deployment import Deployment
from simulation.layout import STATIONS
from target_app.stations import STATIONS as EXPORTED


def test_the_model_has_the_stations_that_the_service_exports() -> None:
    """And the load generator, the measurement's own floor; the others stand outside."""
    assert STATIONS[:6] == EXPORTED
    assert STATIONS[6:] == ("generator", "photo_store", "waiting_room", "call_centre")


def test_every_station_has_its_number() -> None:
    """The name of a station, in capitals, is the constant of its place."""
    assert [getattr(at, name.upper()) for name in STATIONS] == list(range(len(STATIONS)))


def test_what_the_service_says_of_its_capacity_is_what_a_deployment_knows() -> None:
    """Words of GET /capacity that describe size carry over as they are."""
    known = {field.name for field in fields(Deployment)}
    said = {"workers", "lanes", "batch_rows", "pool", "admission", "in_flight_cap",
            "registry_slots", "registry_quota_per_s", "mail_connections"}  # fmt: skip
    assert said <= known
