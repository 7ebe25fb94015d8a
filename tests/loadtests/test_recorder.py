"""The recorder: frames in, files out, and what it had is whole when its feeder dies."""

import io
import json
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loadtests import recorder
from loadtests.rundir import wait_for_recorder
from loadtests.speed_probe import Probe
from tests.loadtests.peers import Site
from workload.history import NAMES, Observation, read_history
from workload.telemetry import read_telemetry

ROWS = [Observation(4, 0, 1, 5, 6, 7, 8, 0, 200, 0), Observation(4, 1, 1, 5, 9, 9, 12, 0, 201, 1)]


def packed(rows: list[Observation]) -> bytes:
    numbers = array("q")
    for row in rows:
        numbers.extend(getattr(row, name) for name in NAMES)
    return numbers.tobytes()


def test_frames_come_out_as_they_went_in() -> None:
    """Bytes, numbers and text; a last frame that is cut short is none."""
    sent = [("rows", {"worker": 1, "rows": b"\x00\xff"}), ("samples", {"at_ns": -5, "samples": {}})]
    stream = b"".join(recorder.frame(kind, payload) for kind, payload in sent)
    assert list(recorder.frames(io.BytesIO(stream))) == sent
    assert list(recorder.frames(io.BytesIO(stream[:-1]))) == sent[:1]
    assert list(recorder.frames(io.BytesIO(stream + b"\x00\x00"))) == sent


def test_a_page_that_is_not_there_is_down_and_not_an_end() -> None:
    """As in Prometheus: `up` is 0."""
    assert recorder.scrape("http://127.0.0.1:1/metrics") == {"up": 0.0}


def test_the_probe_measures_the_same_work_each_time() -> None:
    """CPU seconds, about a millisecond of them."""
    probe = Probe()
    taken = sorted(probe.seconds() for _ in range(5))
    assert 0.0001 < taken[0] <= taken[2] < 0.02


@pytest.fixture
def running(tmp_path: Path, site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """A recorder of this test, told to scrape the site."""
    (tmp_path / "logs").mkdir()
    metrics = {"service": f"{site.url}/metrics"}
    command = [
        sys.executable, "-m", "loadtests.recorder", str(tmp_path),
        json.dumps(["open_site", "register"]), json.dumps(metrics),
    ]  # fmt: skip
    with (tmp_path / "logs" / "recorder.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    assert process.stdout.readline() == recorder.READY
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_rows_samples_and_scrapes_reach_the_disk(
    running: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """A shard a worker, the target's page before and after run time 0, the generator's figures."""
    assert running.stdin is not None
    pipe = running.stdin
    pipe.write(recorder.frame(recorder.BEGIN, {"base_unix_ns": time.time_ns() + 300_000_000}))
    for worker, row in enumerate(ROWS):
        data = {"worker": worker, "rows": packed([row])}
        pipe.write(recorder.frame(recorder.ROWS, data))
    samples = {"surge_generator_requests_total": 2.0}
    pipe.write(recorder.frame(recorder.SAMPLES, {"at_ns": 5, "samples": samples}))
    pipe.flush()
    time.sleep(1.5)
    pipe.close()  # as it ends, too, when the generator is killed
    wait_for_recorder(tmp_path)
    history = read_history(tmp_path)
    assert list(history.rows()) == ROWS
    assert history.steps == ("open_site", "register")
    assert sorted(path.name for path in tmp_path.glob("history-*")) == [
        "history-0.arrows", "history-1.arrows",
    ]  # fmt: skip
    telemetry = read_telemetry(tmp_path)
    (sent,) = telemetry.at("generator", "surge_generator_requests_total", np.array([1.0]))
    (probe,) = telemetry.at("generator", "surge_speed_probe_seconds", np.array([1.2]))
    assert sent == 2.0
    assert 0 < probe < 0.05
    instants, ups = telemetry.samples["service", "up"]
    assert instants[0] < 0 < instants[-1]
    assert set(ups) == {1.0}
    series = 'site_answers_total{status="200"}'
    assert telemetry.increase("service", series, 0.0, 2.0) >= 1


@pytest.mark.slow
def test_a_recorder_that_is_waited_for_has_written_everything(
    running: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """The lock on its log is held until the files are whole."""
    assert running.stdin is not None
    for _ in range(200):
        data = {"worker": 0, "rows": packed(ROWS * 500)}
        running.stdin.write(recorder.frame(recorder.ROWS, data))
    running.stdin.close()
    wait_for_recorder(tmp_path)
    assert len(read_history(tmp_path)) == 200_000
