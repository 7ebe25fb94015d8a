"""A real Prometheus, the real system and a short campaign: every panel has something to show."""

import json
import math
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from grafana.generate import ROOM
from harness.ports import claim
from harness.stack import Stack
from loadtests.campaign import CampaignPlan, run_campaign
from loadtests.rundir import CampaignResult
from tests.grafana.board import committed, queries
from workload.scenario import load_scenario

pytestmark = pytest.mark.slow

#: Of the smoke scenario: seconds in which 20 visitors a second come.
WINDOW_S = (14.0, 24.0)
READY_S = 60.0


def ask(url: str, **parameters: object) -> Any:
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}?{query}", timeout=10) as answer:  # noqa: S310 - our own Prometheus
        return json.load(answer)["data"]


def program() -> str:
    found = shutil.which("prometheus", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("no Prometheus on this machine (Debian: apt-get install prometheus)")
    return found


def configure(folder: Path, addresses: Mapping[str, str]) -> Path:
    """The committed configuration and rules in a folder, its targets where they are just now."""
    config = yaml.safe_load((ROOM / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs.keys() == addresses.keys()
    for name, address in addresses.items():
        jobs[name]["static_configs"] = [{"targets": [address]}]
    shutil.copy(ROOM / "rules.yml", folder)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def wait_for(what: Callable[[], object], patience_s: float = READY_S) -> None:
    """Until it gives something true; what is not there yet may refuse the connection."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if what():
                return
        except urllib.error.URLError:
            pass
        assert time.monotonic() < deadline, f"{what} never came true"
        time.sleep(0.1)


@contextmanager
def prometheus(folder: Path, addresses: Mapping[str, str]) -> Iterator[str]:
    """A Prometheus of our own, ready, for the time of the block; its URL."""
    port = claim(0, "prometheus")
    command = [
        program(), f"--config.file={configure(folder, addresses)}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: ask(f"{url}/api/v1/query", query="1"))
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


@dataclass(frozen=True)
class Watched:
    """A campaign that was watched: Prometheus still runs. ``began``, ``ended``: Unix seconds."""

    url: str
    result: CampaignResult
    began: float
    ended: float

    def series(self, expr: str) -> list[dict[str, Any]]:
        """The answer to a query over the campaign, a point a second."""
        asked = {"query": expr, "start": self.began, "end": self.ended, "step": 1}
        found: list[dict[str, Any]] = ask(f"{self.url}/api/v1/query_range", **asked)["result"]
        return found

    def points(self, expr: str) -> list[float]:
        """Every number in that answer."""
        values = [float(v) for one in self.series(expr) for _, v in one["values"]]
        return [value for value in values if math.isfinite(value)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Ten seconds of smoke against the reference system, scraped as in the containers."""
    folder = tmp_path_factory.mktemp("watched")
    page = ("127.0.0.1", claim(0, "the generator's page"))
    with Stack() as stack:
        addresses = {name: urlsplit(url).netloc for name, url in stack.metrics.items()}
        addresses["generator"] = f"{page[0]}:{page[1]}"
        with prometheus(folder, addresses) as url:
            plan = CampaignPlan(
                load_scenario("smoke"), stack.service, folder / "run", window_s=WINDOW_S,
                drain_s=8.0, page=page,
                cores=stack.placement.generator if stack.placement else (),
            )  # fmt: skip
            result = run_campaign(plan)
            began = result.manifest.began_unix
            yield Watched(url, result, began, began + result.manifest.lasted_s + 1)


def test_every_panel_answers_while_a_campaign_runs(watched: Watched) -> None:
    """Every query of every panel gives at least one finite number."""
    steps = "|".join(step.name for step in watched.result.summary.steps)
    silent = [
        f"{query.panel}: {query.legend}"
        for query in queries(committed())
        if not watched.points(query.filled(steps))
    ]
    assert len(queries(committed())) > 50
    assert silent == []


def test_every_process_was_scraped_each_second(watched: Watched) -> None:
    """Nobody was down while the window was open, the generator included."""
    inside = Watched(watched.url, watched.result, watched.began + 2, watched.began + 9)
    up = {one["metric"]["job"]: {v for _, v in one["values"]} for one in inside.series("up")}
    jobs = ("service", "worker", "registry", "mailbox", "photos", "generator")
    assert up == {job: {"1"} for job in jobs}


def test_what_prometheus_saw_is_what_the_run_directory_says(watched: Watched) -> None:
    """Offered and sent to a visitor; what the generator tells of its last second nobody scrapes."""
    summary = watched.result.summary
    registered = summary.step("register")
    assert registered is not None
    seen = {
        name: max(watched.points(f"max_over_time({series}[30s])"))
        for name, series in {
            "offered": "surge_generator_due_total",
            "sent": "surge_generator_arrivals_total",
            "ended": "surge_generator_visits_ended_total",
            "accepted": 'surge_visitor_attempts_total{step="register",outcome="accepted"}',
            "written": 'surge_writes_acknowledged_total{kind="register"}',
        }.items()
    }
    assert seen["offered"] == seen["sent"] == summary.visits
    assert seen["written"] == registered.outcomes["accepted"]
    assert 0.9 * seen["written"] < seen["accepted"] <= seen["written"]
    assert 0.8 * summary.visits < seen["ended"] <= summary.visits


def test_every_rule_was_evaluated_without_an_error(watched: Watched) -> None:
    """Recording rules and alerts."""
    groups = ask(f"{watched.url}/api/v1/rules")["groups"]
    health = {rule["health"] for group in groups for rule in group["rules"]}
    assert health <= {"ok", "unknown"}  # unknown: its minute has not come yet
    assert watched.points("surge:errors:ratio_rate5m")[-1] == 0
