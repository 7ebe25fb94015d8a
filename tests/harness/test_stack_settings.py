"""Settings, cores and ports of the local system: described before anything runs."""

import json
import socket
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.placement import place
from harness.ports import claim, claim_all
from harness.stack_settings import VARIABLES, StackSettings, clean_environment, with_pairs


def test_every_setting_reaches_the_processes() -> None:
    """Each field but `pin`, which is ours, has a variable, and no two share one."""
    names = {field.name for field in fields(StackSettings)} - {"pin"}
    assert set(VARIABLES) == names
    assert len(set(VARIABLES.values())) == len(names)


def test_settings_travel_as_the_text_that_the_processes_read() -> None:
    """Knots with commas, numbers plain."""
    environment = StackSettings(workers=2, mail_delay_s=(0.0, 1.5, 60.0)).environment()
    assert environment["SURGE_WORKERS"] == "2"
    assert environment["SURGE_MAIL_DELAY"] == "0,1.5,60"
    assert environment["SURGE_IDENTITY_CHECK"] == "queued"


def test_pairs_change_settings_by_name() -> None:
    """Every kind of value can be given as text."""
    pairs = ["pool=4", "pin=false", "admission=shed", "mail_loss=0.25", "mail_delay_s=1,2"]
    changed = with_pairs(StackSettings(), pairs)
    expected = StackSettings(
        pool=4, pin=False, admission="shed", mail_loss=0.25, mail_delay_s=(1.0, 2.0)
    )
    assert changed == expected


def test_all_faults_of_pairs_are_told_at_once() -> None:
    """Three faults, three lines: key, value, remedy."""
    with pytest.raises(BadInput) as told:
        with_pairs(StackSettings(), ["pool=many", "admission=maybe", "pol=3", "lanes=1"])
    message = str(told.value)
    assert "pool='many': give a whole number" in message
    assert "admission='maybe': give one of open, shed" in message
    assert "'pol=3': give NAME=VALUE" in message
    assert "lanes" not in message.splitlines()[1]


def test_variables_of_the_callers_shell_do_not_leak_in() -> None:
    """Only what the settings say reaches a process."""
    cleaned = clean_environment({"SURGE_WORKERS": "9", "DATABASE_URL": "x", "HOME": "/h"})
    assert set(cleaned) == {"HOME", "PYTHONPATH"}


def test_two_cores_are_the_system_and_the_outside() -> None:
    """Service, PostgreSQL and worker on one core; twins and generator on the other."""
    placement = place([0, 1])
    assert placement is not None
    sides = placement.as_json()
    assert (sides["system"], sides["outside"]) == ([0], [1])
    json.dumps(sides)


def test_one_core_is_not_pinned() -> None:
    """There is nothing to choose."""
    assert place([3]) is None


@given(st.sets(st.integers(0, 255), min_size=2, max_size=64))
def test_system_and_outside_never_share_a_core(cores: set[int]) -> None:
    """Every core is used, by one side only, and every part has one."""
    placement = place(sorted(cores))
    assert placement is not None
    sides = placement.as_json()
    system, outside = set(sides["system"]), set(sides["outside"])
    assert system | outside == cores
    assert not system & outside
    assert all(sides.values())


def test_free_ports_are_all_different() -> None:
    """They are found together, not one after the other."""
    ports = claim_all({str(number): 0 for number in range(50)})
    assert len(set(ports.values())) == 50


def test_a_port_that_is_taken_wanted_twice_or_no_port_is_named() -> None:
    """With the purpose and the remedy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} for service .*choose another"):
            claim(port, "service")
    assert claim(port, "service") == port
    with pytest.raises(BadInput, match="for metrics and for service"):
        claim_all({"metrics": port, "service": port})
    with pytest.raises(BadInput, match="port 70000 for service"):
        claim(70000, "service")


def test_the_checkout_is_on_the_path_of_every_process() -> None:
    """So they find target_app whatever folder they are started in."""
    assert (Path(clean_environment({})["PYTHONPATH"]) / "target_app").is_dir()
