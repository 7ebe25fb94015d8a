"""Snapshots: what a CSV file may say, and every fault of it at once."""

import math
from pathlib import Path

import pytest

from simulation.snapshots import MOST_BYTES, Snapshot, of_reading, read_snapshots
from workload.errors import InputError
from workload.scenario import load_scenario


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "snapshots.csv"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_snapshots(path)
    return str(caught.value)


def test_blanks_are_what_was_not_published(tmp_path: Path) -> None:
    """In any order of columns; some may be left out; empty lines say nothing."""
    text = "registered, hours,joined\n100,1,\n\n250,2.5,30\n"
    first, second = read_snapshots(written(tmp_path, text))
    assert (first.hours, first.registered) == (1, 100)
    assert math.isnan(first.joined)
    assert math.isnan(first.email_verified)
    assert (second.hours, second.registered, second.joined) == (2.5, 250, 30)


def test_a_reading_has_the_snapshots_that_were_published() -> None:
    first, second, third = of_reading(load_scenario("prakerja-2020"))
    assert first == Snapshot(21, 1_432_133, 1_063_028, 624_090, 77_834)
    assert second == Snapshot(50, 2_950_000, 2_220_000, 1_500_000, 926_790)
    assert (third.hours, third.registered) == (65, 3_730_000)
    assert math.isnan(third.joined)


def test_a_scenario_without_readings_has_none() -> None:
    with pytest.raises(InputError, match=r"there are none: give --snapshots FILE\.csv"):
        of_reading(load_scenario("smoke"))


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    text = "hours,registered,joined\n1,many,-3\nsoon,5,\n,5,\n4,5\n5,inf,nan\n"
    told = refusal(written(tmp_path, text))
    for fault in (
        "line 2, registered = 'many'",
        "line 2, joined = '-3'",
        "line 3, hours = 'soon'",
        "line 4, hours = ''",
        "line 5 = '4,5': write 3 values",
        "line 6, registered = 'inf'",
        "line 6, joined = 'nan'",
    ):
        assert fault in told
    assert "7 faults" in told


def test_counts_never_fall_and_hours_ascend(tmp_path: Path) -> None:
    text = "hours,registered,joined\n5,100,9\n4,90,\n6,120,8\n"
    told = refusal(written(tmp_path, text))
    assert "hours = 4.0: must come after 5" in told
    assert "registered at 4 h = 90.0: counts are cumulative: at least the 100 of before" in told
    assert "joined at 6 h = 8.0: counts are cumulative: at least the 9 of before" in told


def test_an_event_lasts_a_year_at_most(tmp_path: Path) -> None:
    told = refusal(written(tmp_path, "hours,registered\n5,100\n1e9,200\n"))
    assert "hours = 1000000000.0: at most 8760" in told


def test_columns_are_named(tmp_path: Path) -> None:
    told = refusal(written(tmp_path, "hour,registered,registered\n1,2,3\n"))
    assert "column = 'hour': write some of hours, registered" in told
    assert "column = 'registered'" in told
    assert "`hours` is missing" in told


@pytest.mark.parametrize("text", ["", "hours,registered\n", "hours,registered\n0,0\n3,\n"])
def test_demand_has_to_be_there(tmp_path: Path, text: str) -> None:
    assert "fault" in refusal(written(tmp_path, text))


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    """A directory, nothing, other bytes, a file that is far too long."""
    assert "it can't be read" in refusal(tmp_path)
    assert "it can't be read" in refusal(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00hours")
    assert "it can't be read" in refusal(tmp_path / "bytes.csv")
    (tmp_path / "long.csv").write_bytes(b"1" * (MOST_BYTES + 1))
    assert "at most 1,000,000 bytes" in refusal(tmp_path / "long.csv")
