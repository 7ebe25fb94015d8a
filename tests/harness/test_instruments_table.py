"""docs/instruments.md against what is really told, and what is really read."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import CHECKOUT
from loadtests.figures import Figures
from target_app.instruments import Instruments, open_page
from target_app.stations import STEPS, ServiceInstruments, WorkerInstruments
from target_app.twins.meters import Meters
from workload.telemetry import parse_exposition, read_telemetry

TABLE = CHECKOUT / "docs" / "instruments.md"
LINE = re.compile(r"\| `([a-z_]+)` \| (\S+) \| ([a-z, ]+) \| (.+) \| (.+) \|")
NAME = re.compile(r'"((?:surge|process)_[a-z_]+[a-z])(?:_bucket|_sum|_count)?"')
#: What Prometheus itself adds to a scrape.
OF_THE_SCRAPE = {"up"}
READERS = ("simulation/*.py", "harness/*.py", "harness/report/*.py")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    unit: str
    sources: frozenset[str]
    meaning: str
    used_for: str


def table() -> dict[str, Row]:
    """Its lines by name; a line that can't be read is none."""
    found = {}
    for name, unit, sources, meaning, used in LINE.findall(TABLE.read_text()):
        assert name not in found, f"{name} stands twice"
        found[name] = Row(unit, frozenset(sources.split(", ")), meaning, used)
    return found


def families(series: Iterable[str]) -> set[str]:
    """Names of metrics: a histogram's three series are one."""
    bare = (one.partition("{")[0] for one in series)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in bare} - OF_THE_SCRAPE


def rows_of(source: str) -> set[str]:
    return {name for name, row in table().items() if source in row.sources}


def test_every_line_of_the_table_can_be_read() -> None:
    """Otherwise what follows holds nothing."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    assert len(table()) == len(lines) > 40


@pytest.mark.parametrize("name", table())
def test_a_unit_is_that_of_the_name(name: str) -> None:
    """Seconds and bytes are in it; everything else counts."""
    unit = {"seconds": "s", "bytes": "B"}.get(name.removesuffix("_total").rpartition("_")[2], "1")
    assert table()[name].unit == unit


@pytest.mark.parametrize(
    ("source", "told"),
    [("service", ServiceInstruments), ("worker", WorkerInstruments)],
)
def test_what_service_and_worker_tell_is_the_table(source: str, told: Any) -> None:
    """Neither an instrument without a line nor a line without an instrument."""
    instruments = Instruments(open_page())
    told(*([instruments, STEPS] if told is ServiceInstruments else [instruments]))
    assert families(parse_exposition(instruments.text().decode())) == rows_of(source)


def test_what_the_generator_counts_and_every_twin_tells_is_in_the_table() -> None:
    """The machine's speed is the recorder's, beside them."""
    assert families(Figures().samples()) | {"surge_speed_probe_seconds"} == rows_of("generator")
    common = families(parse_exposition(Meters().text().decode()))
    for twin in ("registry", "mailbox", "photos"):
        assert common <= rows_of(twin)


@pytest.mark.parametrize("pattern", READERS)
def test_every_name_that_is_read_is_in_the_table(pattern: str) -> None:
    """By the model, its self-check and the reports; a name that nobody tells would read as 0."""
    for path in sorted(CHECKOUT.glob(pattern)):
        read = {
            re.sub(r"_(sum|count|bucket)$", "", name) for name in NAME.findall(path.read_text())
        }
        assert read <= set(table()), path.name


def test_what_the_model_uses_is_said_of_every_name_that_calibration_reads() -> None:
    """And of no other that only a person looks at."""
    readers = ("calibrate", "costs", "evidence", "pace", "self_check", "photo_fit")
    files = [CHECKOUT / "simulation" / f"{name}.py" for name in readers]
    read = set().union(*(NAME.findall(path.read_text()) for path in files))
    read = {re.sub(r"_(sum|count|bucket)$", "", name) for name in read}
    used = {name for name, row in table().items() if not row.used_for.startswith("–")}
    assert used == read


@pytest.mark.slow
def test_a_real_run_has_what_the_table_says_from_every_source(real_run: Any) -> None:
    """What has happened at least once; a twin's answers appear with the first of them."""
    found: dict[str, set[str]] = {}
    for source, series in read_telemetry(Path(real_run.path)).samples:
        found.setdefault(source, set()).update(families([series]))
    assert set(found) == {source for row in table().values() for source in row.sources}
    for source, names in found.items():
        missing = rows_of(source) - names
        assert names <= rows_of(source), source
        assert missing <= {"surge_twin_requests_total"}, source


@pytest.mark.slow
def test_a_real_run_knows_how_fast_its_machine_was(real_run: Any) -> None:
    """Before and after, on the cores of both sides; some milliseconds at most."""
    manifest = json.loads((Path(real_run.path) / "manifest.json").read_text())
    speed = manifest["generator"]["speed"]
    assert set(speed) == {"before", "after"}
    for when in speed.values():
        assert set(when) == {"generator_s", "system_s"}
        assert all(0 < seconds < 0.1 for seconds in when.values())
