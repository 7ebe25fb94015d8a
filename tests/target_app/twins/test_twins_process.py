"""Every twin is a well-behaved process: it says where it listens, refuses bad settings, stops."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.target_app.twins.running import launch, running

SECRET = {"SURGE_PHOTO_SECRET": "a secret of the tests"}
TWINS = ["registry", "mailbox", "photos"]


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_twin_stops_within_five_seconds_and_exits_zero(name: str, number: int) -> None:
    """Whichever of the two signals asks it."""
    with running(name, **SECRET) as twin:
        assert twin.call("GET", "/healthz").json == {"status": "alive"}
        code, seconds = twin.stop(number)
        assert (code, seconds < 5) == (0, True)


@pytest.mark.parametrize(
    ("name", "variable", "value", "remedy"),
    [
        ("registry", "SURGE_REGISTRY_PORT", "80800", "integer in 0..65535"),
        ("registry", "SURGE_REGISTRY_TWIN_SLOTS", "0", "integer in 1.."),
        ("registry", "SURGE_REGISTRY_TWIN_SLOTS", "many", "integer in 1.."),
        ("registry", "SURGE_REGISTRY_TWIN_QUOTA_PER_S", "nan", "number in 0.."),
        ("registry", "SURGE_REGISTRY_TWIN_LATENCY", "0.02,0.01", "never fall"),
        ("registry", "SURGE_REGISTRY_TWIN_ERROR", "1.5", "number in 0..1"),
        ("registry", "SURGE_REGISTRY_TWIN_OUTAGE", "sometimes", "refuse"),
        ("registry", "SURGE_TWIN_SEED", "x", "integer in 0.."),
        ("registry", "SURGE_HOST", "203.0.113.7", "can't listen"),
        ("mailbox", "SURGE_MAIL_DELAY", "-1", "quantiles in seconds"),
        ("mailbox", "SURGE_MAIL_LOSS", "half", "number in 0..1"),
        ("mailbox", "SURGE_MAIL_SPAM", "-0.1", "number in 0..1"),
        ("mailbox", "SURGE_MAIL_KEEP", "0", "integer in 1.."),
        ("photos", "SURGE_PHOTOS_BANDWIDTH", "-1", "number in 0.."),
    ],
)
def test_a_bad_setting_ends_with_one_line_and_exit_2(
    name: str, variable: str, value: str, remedy: str
) -> None:
    """The line names the variable, its value and what to give instead."""
    process = launch(name, **{**SECRET, variable: value})
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, len(err.splitlines())) == (2, "", 1)
    assert variable in err
    assert value in err
    assert remedy in err


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("registry", "SURGE_REGISTRY_PORT"),
        ("mailbox", "SURGE_SMTP_PORT"),
        ("mailbox", "SURGE_MAILBOX_PORT"),
        ("photos", "SURGE_PHOTOS_PORT"),
    ],
)
def test_a_taken_port_ends_with_one_line_and_exit_2(name: str, variable: str) -> None:
    """It is never shared in silence."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = str(owner.getsockname()[1])
        process = launch(name, **{**SECRET, variable: port})
        _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert (
        err == f"{name} twin: {variable}={port}: the port is taken; stop its owner or set another\n"
    )


@pytest.mark.parametrize("secret", ["", "too short"])
def test_the_photo_store_needs_a_secret_and_never_shows_it(secret: str) -> None:
    """Not even a wrong one."""
    process = launch("photos", SURGE_PHOTO_SECRET=secret)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert err == "photos twin: SURGE_PHOTO_SECRET='(hidden)': give at least 16 characters\n"


def test_the_twins_share_no_code_with_the_service() -> None:
    """They stand for programs of other people: only HTTP and SMTP lie between."""
    listing = "import sys; print(*(m for m in sys.modules if m.startswith('target_app')))"
    twins = ", ".join(f"target_app.twins.{name}" for name in TWINS)
    code = f"import {twins}; {listing}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(found.stdout.split())
    assert {f"target_app.twins.{name}" for name in TWINS} < modules
    assert {m for m in modules if not m.startswith("target_app.twins")} == {"target_app"}
