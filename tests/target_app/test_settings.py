"""Settings from the environment: every fault at once, with its remedy."""

from __future__ import annotations

import pytest

from target_app.settings import SettingsError, read_settings

GOOD = {"DATABASE_URL": "postgresql://surge@127.0.0.1:5432/surge"}


def test_a_database_is_all_that_has_to_be_told() -> None:
    settings = read_settings(GOOD)
    assert settings.database_url == GOOD["DATABASE_URL"]
    assert (settings.workers, settings.lanes, settings.batch_rows, settings.pool) == (1, 2, 256, 8)
    assert settings.public_url == "http://127.0.0.1:8000"


def test_without_a_secret_each_process_gets_one_of_its_own() -> None:
    assert read_settings(GOOD).secret != read_settings(GOOD).secret


def test_all_faults_are_told_together_with_key_value_and_remedy() -> None:
    bad = {"SURGE_PORT": "70000", "SURGE_ADMISSION": "maybe", "SURGE_CAPACITY_EXTRA": "[1]"}
    with pytest.raises(SettingsError) as caught:
        read_settings(bad)
    words = str(caught.value)
    assert "SURGE_PORT='70000': give a whole number from 1 to 65535" in words
    assert "SURGE_ADMISSION='maybe': give one of open, shed" in words
    assert "SURGE_CAPACITY_EXTRA" in words
    assert "DATABASE_URL: missing; give postgresql://" in words


@pytest.mark.parametrize("url", ["mysql://h/d", "h/d", "postgresql://h:0/d", "postgresql://h:x/d"])
def test_a_url_that_is_not_a_postgresql_one_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        read_settings({"DATABASE_URL": url})


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "x"])
def test_a_number_of_seconds_is_finite_and_in_range(text: str) -> None:
    with pytest.raises(SettingsError, match="SURGE_SHED_DELAY_S"):
        read_settings({**GOOD, "SURGE_SHED_DELAY_S": text})
