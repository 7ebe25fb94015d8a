"""Telemetry: the target's counters and histograms, in the run's time base."""

import math
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from workload.errors import RecordError
from workload.telemetry import (
    FILE_NAME,
    Telemetry,
    TelemetryWriter,
    bucket_quantile,
    labels_of,
    parse_exposition,
    read_telemetry,
)

S = 1_000_000_000
WAIT = "surge_station_wait_seconds"


def telemetry(folder: Path, scrapes: list[tuple[float, str, dict[str, float]]]) -> Telemetry:
    """What is read back after these scrapes: (second, source, series -> value)."""
    with TelemetryWriter(folder) as writer:
        for at_s, source, samples in scrapes:
            writer.add(round(at_s * S), source, samples)
    return read_telemetry(folder)


def test_a_page_of_the_prometheus_client_is_read() -> None:
    """Counters, histograms, labels with spaces and quotes; comments are left out."""
    registry = CollectorRegistry()
    requests = Counter("surge_requests", "by route", ["route"], registry=registry)
    requests.labels('a "quoted" one').inc(3)
    Histogram("wait_seconds", "waits", buckets=(0.1, 1.0), registry=registry).observe(0.5)
    samples = parse_exposition(generate_latest(registry).decode())
    assert samples['surge_requests_total{route="a \\"quoted\\" one"}'] == 3.0
    assert samples['wait_seconds_bucket{le="0.1"}'] == 0.0
    assert samples['wait_seconds_bucket{le="+Inf"}'] == samples["wait_seconds_count"] == 1.0
    assert not any(series.startswith("#") for series in samples)


def test_special_values_of_the_text_format_are_read() -> None:
    """Infinity and NaN; blank lines do not matter."""
    samples = parse_exposition("a +Inf\n\n  \nb NaN\nc 1e3 \n")
    assert (samples["a"], samples["c"]) == (math.inf, 1000.0)
    assert math.isnan(samples["b"])


def test_a_page_of_another_kind_is_named() -> None:
    """A proxy's error page, with its first line that is no metric."""
    with pytest.raises(RecordError, match=r"line = '<html>': .*does the URL lead to /metrics"):
        parse_exposition("<html>\n<body>502</body>\n</html>")


names = st.from_regex(r"[a-z_]{1,8}(\{le=\"[0-9.]{1,4}\"\})?", fullmatch=True)
scrape = st.dictionaries(names, st.floats(allow_nan=False), max_size=5)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["service", "worker"]), scrape), max_size=6))
def test_scrapes_read_back_the_same(scrapes: list[tuple[str, dict[str, float]]]) -> None:
    """Each sample, at its instant, under its source."""
    timed = [(float(at), source, samples) for at, (source, samples) in enumerate(scrapes)]
    with TemporaryDirectory() as folder:
        found = telemetry(Path(folder), timed)
    count = sum(len(samples) for _, samples in scrapes)
    assert sum(len(instants) for instants, _ in found.samples.values()) == count
    for at, source, samples in timed:
        for series, value in samples.items():
            assert found.at(source, series, np.array([at])).tolist() == [value]


def test_a_value_is_that_of_the_last_scrape_so_far(tmp_path: Path) -> None:
    """0 for a series that nobody has, and before one that appeared later than its source."""
    found = telemetry(tmp_path, [(1, "s", {"a": 5.0}), (2, "s", {"a": 9.0, "b": 3.0})])
    instants = np.array([0.5, 1.0, 1.9, 2.0, 99.0])
    assert found.at("s", "a", instants).tolist() == [5, 5, 5, 9, 9]
    assert found.at("s", "b", instants).tolist() == [0, 0, 0, 3, 3]
    assert not found.at("s", "c", instants).any()
    assert not found.at("x", "a", instants).any()
    assert found.sources() == {"s"}


def test_an_increase_is_what_was_counted_between_two_instants(tmp_path: Path) -> None:
    """By the scrapes at or before them."""
    found = telemetry(tmp_path, [(at, "s", {"a": 10.0 * at}) for at in range(6)])
    assert found.increase("s", "a", 1.0, 4.5) == 30.0


def test_what_a_service_had_counted_before_the_run_is_no_increase(tmp_path: Path) -> None:
    """A target that has run for days: its counters are high at the first scrape."""
    found = telemetry(tmp_path, [(0.4, "s", {"a": 1000.0}), (1.4, "s", {"a": 1007.0})])
    assert found.increase("s", "a", 0.0, 2.0) == 7.0
    assert found.increase("s", "a", 0.0, 0.4) == found.increase("s", "a", 0.4, 1.0) == 0.0


def test_the_first_scrape_waits_for_nothing_to_be_imported(tmp_path: Path) -> None:
    """Arrow looks for pandas once, which took the first second of a loaded run's scrapes."""
    code = (
        "import sys; from pathlib import Path; from workload.telemetry import TelemetryWriter\n"
        f"writer = TelemetryWriter(Path({str(tmp_path)!r})); before = set(sys.modules)\n"
        "writer.add(1, 's', {'a': 1.0}); print(sorted(set(sys.modules) - before))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_a_series_that_appears_later_began_at_zero(tmp_path: Path) -> None:
    """Labels appear with their first event."""
    found = telemetry(tmp_path, [(0.4, "s", {"a": 1.0}), (1.4, "s", {"a": 1.0, "b": 3.0})])
    assert found.increase("s", "b", 0.0, 2.0) == 3.0


def waits(station: str, counts: list[float], total_s: float) -> dict[str, float]:
    """A histogram of the bounds 0.1, 1 and infinity, as its page names it."""
    label = f'station="{station}"'
    bounds = ("0.1", "1.0", "+Inf")
    buckets = {
        f'{WAIT}_bucket{{{label},le="{bound}"}}': count
        for bound, count in zip(bounds, counts, strict=True)
    }
    return {
        **buckets,
        f"{WAIT}_count{{{label}}}": counts[-1],
        f"{WAIT}_sum{{{label}}}": total_s,
    }


def test_a_histograms_growth_is_read_between_two_instants(tmp_path: Path) -> None:
    """Of one station or of all; its mean and quantiles are of the growth alone."""
    page = {**waits("database", [5, 5, 5], 0.1), **waits("event_loop", [0, 0, 0], 0.0)}
    later = {**waits("database", [7, 8, 9], 8.1), **waits("event_loop", [1, 1, 1], 0.05)}
    found = telemetry(tmp_path, [(0, "s", page), (10, "s", later)])
    one = found.buckets("s", WAIT, 0, 10, station="database")
    assert one == [(0.1, 2.0), (1.0, 3.0), (math.inf, 4.0)]
    assert found.buckets("s", WAIT, 0, 10) == [(0.1, 3.0), (1.0, 4.0), (math.inf, 5.0)]
    assert found.mean("s", WAIT, 0, 10, station="database") == pytest.approx(2.0)
    assert found.total("s", f"{WAIT}_count", 0, 10) == 5.0
    assert math.isnan(found.mean("s", WAIT, 10, 10, station="database"))
    assert found.buckets("s", WAIT, 0, 10, station="none") == []


def test_a_quantile_of_buckets_is_the_bound_that_holds_its_rank() -> None:
    """Nearest rank; NaN of nothing."""
    buckets = [(0.1, 50.0), (1.0, 99.0), (math.inf, 100.0)]
    found = [bucket_quantile(buckets, p) for p in (0.0, 0.5, 0.51, 0.99, 0.991)]
    assert found == [0.1, 0.1, 1.0, 1.0, math.inf]
    assert bucket_quantile([(0.1, 0.0), (1.0, 2.0)], 0.0) == 1.0
    assert math.isnan(bucket_quantile([], 0.5))
    assert math.isnan(bucket_quantile([(0.1, 0.0)], 0.5))


def test_labels_are_read_from_a_series_name() -> None:
    """None from a series without any."""
    assert labels_of('a{route="register",status="201"}') == {"route": "register", "status": "201"}
    assert labels_of("a") == {}


def test_telemetry_cut_short_keeps_its_whole_scrapes(tmp_path: Path) -> None:
    """The run was killed; at every length there is a prefix of the scrapes, or clear words."""
    telemetry(tmp_path, [(at, "s", {"a": float(at)}) for at in range(1, 4)])
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    kept = set()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        try:
            found = read_telemetry(tmp_path, cut_short_is_fine=True)
        except RecordError as error:
            kept.add(str(error).rpartition(": ")[2])
        else:
            assert found.at("s", "a", np.array([99.0]))[0] in (0.0, 1.0, 2.0, 3.0)
            kept.add(str(len(found.samples.get(("s", "a"), ((), ()))[0])))
    assert kept - {"0"} == {"cut short", "1", "2", "3"}


def test_telemetry_of_a_whole_run_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    """Half of the counters would pass for all of them; every length but the whole one says so."""
    telemetry(tmp_path, [(at, "s", {"a": float(at)}) for at in range(1, 4)])
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match="cut short"):
            read_telemetry(tmp_path)
    path.write_bytes(whole)
    assert read_telemetry(tmp_path).at("s", "a", np.array([99.0])).tolist() == [3.0]


def test_telemetry_of_another_schema_or_none_says_so(tmp_path: Path) -> None:
    """With what to look for."""
    with pytest.raises(RecordError, match="holds no telemetry; was the target without /metrics"):
        read_telemetry(tmp_path)
    with pa.OSFile(str(tmp_path / FILE_NAME), "wb") as sink:
        pa.ipc.new_stream(sink, pa.schema([("x", pa.int64())])).close()
    with pytest.raises(RecordError, match="this reads surge/telemetry/1"):
        read_telemetry(tmp_path)
