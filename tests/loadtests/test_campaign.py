"""Whole campaigns against a small site: what is recorded is true, and faults are never hidden."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from harness import CHECKOUT
from loadtests.campaign import CampaignPlan, run_campaign
from loadtests.joiner import join_campaign, wait_for_master
from loadtests.rundir import CampaignResult
from tests.loadtests.drive import on_schedule, visits
from tests.loadtests.peers import Script, Server, Site
from workload.coming import coming
from workload.errors import InputError, InvalidRunError
from workload.history import History, read_history
from workload.laws import broken
from workload.manifest import read_manifest
from workload.telemetry import read_telemetry


def generators(parent: int | None = None) -> list[psutil.Process]:
    """The processes of Locust that this test (or another process) has started, oldest first."""
    children = psutil.Process(parent).children(recursive=True)
    return [child for child in children if "loadtests/locustfile.py" in " ".join(child.cmdline())]


def until(true: Callable[[], object], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@dataclass
class Driven:
    """A campaign in a thread, so that the test can interfere while it runs."""

    plan: CampaignPlan
    seen: list[dict[str, Any]] = field(default_factory=list)
    result: CampaignResult | None = None

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.result = run_campaign(self.plan, lambda now: self.seen.append(dict(now)))

    def at(self, seconds: float) -> None:
        """Return when visitors have come for so long."""
        until(lambda: self.seen and self.seen[-1]["at_s"] >= seconds)

    def end(self) -> CampaignResult:
        self.thread.join()
        assert self.result is not None
        return self.result


def plan(site: Site, path: Path, per_s: float, duration_s: float, **more: Any) -> CampaignPlan:
    scenario = visits(per_s, duration_s, more.pop("steps", ()))
    return CampaignPlan(scenario, site.url, path / "run", **{"drain_s": 5.0, **more})


@pytest.fixture
def orphans() -> Iterator[None]:
    """After the test no generator of ours is left."""
    yield
    until(lambda: generators() == [])


@pytest.mark.slow
def test_a_campaign_records_what_it_intended(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody of the curve at the curve's instants, and nobody else; telemetry, and ledger."""
    monkeypatch.setenv("SURGE_ADMIN_TOKEN", "token")
    campaign = plan(site, tmp_path, 30, 4, thin=0.7, window_s=(1.0, 3.5))
    result = on_schedule(tmp_path, lambda at: run_campaign(replace(campaign, run_dir=at / "run")))
    assert (result.manifest.status, result.exit_code) == ("complete", 0)
    history = read_history(result.run_dir)
    assert broken(history) == []
    came = coming(campaign.scenario, campaign.scenario.seed, campaign.bending).everybody
    first = (history["step"] == 0) & (history["number"] == 1)
    order = np.argsort(history["visitor"][first])
    assert np.array_equal(history["visitor"][first][order], came.index)
    assert np.array_equal(history["intended"][first][order], came.at_ns)
    assert result.summary.endings["finished"] > 0
    assert result.summary.endings["turned_away"] > 0  # those who mistyped
    assert result.summary.endings["open"] == 0
    telemetry = read_telemetry(result.run_dir)
    assert telemetry.sources() == {"service", "generator"}
    asked = telemetry.increase("generator", "surge_generator_requests_total", 0.0, 99.0)
    assert asked == len(history)
    assert telemetry.increase("generator", "surge_generator_cpu_seconds_total", 0.0, 99.0) > 0
    ledger = (result.run_dir / "ledger.ndjson").read_text().splitlines()
    registered = result.summary.step("register")
    assert registered is not None
    assert len(ledger) == registered.accepted
    assert "/capacity" not in json.dumps(result.manifest.reasons)
    assert result.manifest.capacity["mailbox"] == site.url


@pytest.mark.slow
def test_two_workers_walk_the_same_visits_as_one(site: Site, tmp_path: Path) -> None:
    """Same seed: the same arrivals, the same pauses, whoever walks them."""
    runs = []
    for workers in (1, 2):
        result = on_schedule(tmp_path / str(workers), partial(walk, site, workers))
        assert result.manifest.status == "complete", result.manifest.reasons
        runs.append(read_history(result.run_dir).ordered())
    assert len(list(result.run_dir.glob("history-*.arrows"))) == 2
    assert intentions(runs[0]) == intentions(runs[1])


def walk(site: Site, workers: int, path: Path) -> CampaignResult:
    return run_campaign(plan(site, path, 20, 2, workers=workers))


def intentions(history: History) -> dict[tuple[int, int], int]:
    """(visitor, step) -> ns that the visitor meant to pause before it, of first attempts."""
    found = {}
    for before, row in zip([None, *history.rows()], history.rows(), strict=False):
        if row.number > 1 or row.step == 4:
            continue
        since = row.arrived if before is None or row.step == 0 else before.ended
        mail = row.step == 2  # intended when the mail is there
        found[row.visitor, row.step] = 0 if mail else row.intended - since
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_another_machine_joins(site: Site, tmp_path: Path) -> None:
    """It needs only to know where the master listens; its rows come home over the network."""

    def joined(path: Path) -> CampaignResult:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        driven = Driven(plan(site, path, 20, 2, joining=1, listen=("127.0.0.1", port)))
        join_campaign("127.0.0.1", port, path / "worker.log")
        return driven.end()

    result = on_schedule(tmp_path, joined)
    assert result.manifest.status == "complete", result.manifest.reasons
    assert len(result.manifest.generator["workers"]) == 2
    shares = [w["arrived"] for w in result.manifest.generator["workers"]]
    assert min(shares) > 0
    assert sum(shares) == result.summary.visits


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_campaign_that_nobody_joins_says_so(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for ever: the master gives up, and so does its own worker."""
    monkeypatch.setattr("loadtests.campaign.JOIN_S", 2)
    with pytest.raises(InvalidRunError, match="fewer than 1 workers joined within 2 s"):
        run_campaign(plan(site, tmp_path, 20, 2, joining=1))


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_whatever_else_listens_there_is_no_master(
    serve: Callable[[Script], Server], greeting: bytes
) -> None:
    """A closed connection and a web server: seen by what they say first."""
    server = serve(lambda peer, _: peer.sendall(greeting))
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(InvalidRunError, match="something else listens there"):
        wait_for_master("127.0.0.1", port, within_s=0.4)


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_frozen_service_is_not_hidden(site: Site, tmp_path: Path) -> None:
    """No coordinated omission: who came while it stood still waited, and the record shows it."""

    def frozen(path: Path) -> CampaignResult:
        driven = Driven(plan(site, path, 100, 4, steps=("open_site",)))
        driven.at(1.0)
        site.process.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        site.process.send_signal(signal.SIGCONT)
        return driven.end()

    result = on_schedule(tmp_path, frozen)
    assert result.manifest.status == "complete", result.manifest.reasons
    history = read_history(result.run_dir)
    waited = (history["ended"] - history["intended"]) / 1e9
    # 100 came in that second and waited 0.5 s in the mean: 50 visitor-seconds, if not more.
    assert waited[waited > 0.02].sum() > 35
    assert waited.max() > 0.85
    sent_late = (history["started"] - history["intended"]) / 1e9
    assert np.quantile(sent_late, 0.95) < 0.05


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_run_that_did_not_keep_its_schedule_is_invalid(site: Site, tmp_path: Path) -> None:
    """A generator that stood still for a second says so, whatever the latencies were: exit 3."""
    driven = Driven(plan(site, tmp_path, 50, 4, steps=("open_site",)))
    driven.at(1.0)
    (generator,) = generators()
    generator.suspend()
    time.sleep(1.0)
    generator.resume()
    result = driven.end()
    assert (result.manifest.status, result.exit_code) == ("invalid", 3)
    assert result.manifest.reasons[0].startswith("schedule not kept: worker 0 sent")


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_worker_that_is_killed_makes_the_run_invalid(site: Site, tmp_path: Path) -> None:
    """Half of the load is missing then; the run ends soon and what was recorded is kept."""
    driven = Driven(plan(site, tmp_path, 20, 30, workers=2))
    driven.at(2.0)
    began = time.monotonic()
    victim = next(p for p in generators() if "--worker" in p.cmdline())
    victim.kill()
    result = driven.end()
    assert time.monotonic() - began < 25
    assert (result.manifest.status, result.exit_code) == ("invalid", 3)
    assert any("worker lost" in reason for reason in result.manifest.reasons)
    assert broken(read_history(result.run_dir, cut_short_is_fine=True)) == []
    assert result.summary.visits > 20


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_generator_that_is_killed_leaves_its_record(site: Site, tmp_path: Path) -> None:
    """The recorder closes the files; nobody can vouch for the run, so it is invalid."""
    driven = Driven(plan(site, tmp_path, 20, 30))
    driven.at(2.0)
    generators()[0].kill()
    result = driven.end()
    assert (result.manifest.status, result.exit_code) == ("invalid", 3)
    assert "before it could report" in result.manifest.reasons[0]
    assert result.summary.visits > 20


def start(site: Site, run_dir: Path, workers: int) -> subprocess.Popen[str]:
    """A campaign of a minute as another process, in which visitors have come for 2 s."""
    command = [sys.executable, str(Path(__file__).parent / "drive.py"), site.url, str(run_dir)]
    process = subprocess.Popen(
        [*command, "20", "60", str(workers)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        text=True,
    )

    def seen_s() -> float:
        path = run_dir / "progress.json"
        return float(json.loads(path.read_text())["at_s"]) if path.exists() else 0.0

    until(lambda: seen_s() >= 2.0)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_a_valid_directory_marked_interrupted(
    site: Site, tmp_path: Path, workers: int
) -> None:
    """Exit 130; everything that had happened is in the record, and no process stays."""
    process = start(site, tmp_path / "run", workers)
    theirs = generators(process.pid)
    assert len(theirs) == (1 if workers == 1 else 3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=40)
    assert (out, process.returncode) == ("interrupted\n", 130)
    assert read_manifest(tmp_path / "run").status == "interrupted"
    history = read_history(tmp_path / "run")
    assert broken(history) == []
    assert len(np.unique(history["visitor"])) > 20
    assert psutil.wait_procs(theirs, timeout=10)[1] == []


@pytest.mark.slow
def test_a_campaign_that_is_killed_takes_its_generator_along(site: Site, tmp_path: Path) -> None:
    """kill -9 of the parent: within seconds nobody loads the target any more."""
    process = start(site, tmp_path / "run", 2)
    theirs = generators(process.pid)
    process.kill()
    process.wait()
    assert psutil.wait_procs(theirs, timeout=30)[1] == []
    assert len(read_history(tmp_path / "run", cut_short_is_fine=True)) > 0


@pytest.mark.slow
def test_locust_walks_by_itself(site: Site, tmp_path: Path) -> None:
    """Without a campaign: Locust's own statistics hear of every attempt, the directory is whole."""

    def walked(path: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
        command = [
            sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless",
            "--host", site.url, "--scenario", "smoke", "--window", "0s..3s", "--only-summary",
            "--run-dir", str(path / "run"), "--seed", "3", "--json",
        ]  # fmt: skip
        ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        return path / "run", ended

    run_dir, ended = on_schedule(tmp_path, walked)
    assert "run complete" in ended.stderr
    assert ended.returncode == 0
    history = read_history(run_dir)
    counted = {row["name"]: row["num_requests"] for row in json.loads(ended.stdout)}
    for step, name in enumerate(history.steps):
        assert counted.get(name, 0) == int((history["step"] == step).sum())
    assert read_manifest(run_dir).seed == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--window", "5s..2s"], 2, "window = '5s..2s': write START..END within 0..30s"),
        (["--protocol", "no:Such"], 2, "write module:Class"),
        (["--mailbox", "http://127.0.0.1:1", "--host", "ftp://x"], 2, "write http://HOST:PORT"),
    ],
)
def test_locust_by_itself_names_what_is_wrong(
    site: Site, tmp_path: Path, options: list[str], code: int, words: str
) -> None:
    """And ends at once."""
    command = [
        sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless",
        "--host", site.url, "--run-dir", str(tmp_path / "run"), *options,
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert words in ended.stderr
    assert ended.returncode == code


@pytest.mark.slow
def test_a_thousand_arrivals_a_second_keep_their_instants(site: Site, tmp_path: Path) -> None:
    """Or the run says that they did not."""
    result = run_campaign(plan(site, tmp_path, 1000, 3, steps=("open_site",)))
    history = read_history(result.run_dir)
    lag = (history["started"] - history["intended"]) / 1e9
    late = float((lag > 0.05).mean())
    if result.manifest.status == "complete":
        assert np.quantile(lag, 0.5) < 0.02
        assert late <= 0.01
    else:
        assert result.manifest.reasons[0].startswith("schedule not kept")
        assert late > 0.009 or "of its core" in result.manifest.reasons[0]


def test_a_campaign_without_a_mailbox_does_not_begin(site: Site, tmp_path: Path) -> None:
    """A mailbox that the target does not name, for a journey that waits for mail."""
    campaign = CampaignPlan(visits(1, 1), f"{site.url}/elsewhere", tmp_path / "run")
    with pytest.raises(InputError, match="give --mailbox URL"):
        run_campaign(campaign)
    assert not (tmp_path / "run").exists()
