"""The named deployments: each figure says where it comes from, and this machine is this machine."""

import re
from dataclasses import fields

import pytest

from harness.placement import place
from harness.stack_settings import StackSettings
from simulation.deployment import BUILT_IN, Deployment, built_in, load_deployment

SOURCES = ("start", "place", "assumed", "derived", "observed")
#: What the reference system and the model call by the same name.
SHARED = {
    "mail_loss", "workers", "pool", "lanes", "batch_rows", "registry_slots", "registry_quota_per_s",
    "mail_connections", "admission", "shed_delay_s", "identity_check",
}  # fmt: skip


@pytest.mark.parametrize("name", built_in())
def test_every_figure_of_a_profile_has_its_source_beside_it(name: str) -> None:
    """A word for the kind of source, explained at the top of the file."""
    body = (BUILT_IN / f"{name}.toml").read_text().split('"""')[2]
    figures = [line for line in body.splitlines() if re.match(r"\w+ = ", line)]
    assert len(figures) > 10
    assert [line for line in figures if not any(f"# {one}" in line for one in SOURCES)] == []


@pytest.mark.parametrize("name", built_in())
def test_every_profile_loads_under_its_own_name(name: str) -> None:
    """And asks for nothing that the model does not know."""
    assert load_deployment(name).name == name


def test_the_profile_of_this_machine_is_how_the_system_starts() -> None:
    """Each setting that both know has the same value; two cores are shared as it says."""
    deployment, settings = load_deployment("this-machine"), StackSettings()
    assert {name: getattr(deployment, name) for name in SHARED} == {
        name: getattr(settings, name) for name in SHARED
    }
    placement = place((0, 1))
    assert placement is not None
    assert deployment.shared_core == (placement.service == placement.database)
    assert deployment.generator == (placement.generator == placement.twins)
    assert deployment.cores == len(placement.service)


def test_names_that_the_model_and_the_system_share_are_all_compared() -> None:
    """A setting that gets the same name on both sides later must be compared as well."""
    both = {one.name for one in fields(Deployment)} & {one.name for one in fields(StackSettings)}
    assert both - {"in_flight_cap"} == SHARED  # 0 is "no cap" to the model, which is what open is
