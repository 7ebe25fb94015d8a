"""Recording and alert rules: they parse, say what to do, and fire when they should."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboard import ANSWERED, LATE_S, OPERATOR
from grafana.generate import ROOM
from grafana.rules import BURNS, OBJECTIVES, SLOW_S, WINDOWS
from harness.stack_settings import USUAL_PORTS
from loadtests.live import ANSWERED as ANSWERED_OUTCOMES
from loadtests.pacer import LAG_BOUNDS_S
from loadtests.pacer import LATE_S as TOO_LATE_S
from target_app.instruments import SECONDS
from target_app.stations import STEPS
from tests.grafana.board import committed, parsed, queries, selectors

HERE = Path(__file__).parent


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOM / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    """What it says, when it is content; the test fails otherwise."""
    program = shutil.which("promtool", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no promtool on this machine (Debian: apt-get install prometheus)")
    answer = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, cwd=HERE
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_every_rule_is_promql() -> None:
    """Read by a parser of its own, so that it needs no Prometheus."""
    assert len(rules()) == len({json.dumps(rule) for rule in rules()}) > 20
    for rule in rules():
        assert list(selectors(parsed(rule["expr"]))) != []


def test_every_alert_says_what_is_the_matter_and_what_to_do() -> None:
    """And whether somebody is to be woken."""
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) > 8
    for alert in alerts:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"] != alert["annotations"]["description"] != ""


def test_whatever_is_recorded_before_is_what_alerts_and_panels_read() -> None:
    """No alert and no panel reads a series that no rule writes."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert len(recorded) == len(OBJECTIVES) * len(WINDOWS)
    exprs = [rule["expr"] for rule in rules()] + [query.filled() for query in queries(committed())]
    read = {
        metric
        for expr in exprs
        for _, metric, _ in selectors(parsed(expr))
        if metric.startswith("surge:")
    }
    assert read <= recorded
    assert {window for _, *both, _ in BURNS for window in both} == set(WINDOWS)


def test_limits_sit_on_bounds_of_the_buckets_that_they_read() -> None:
    """A share below a bound is counted; one below anything else would be guessed."""
    assert SLOW_S in {f"{bound:.6g}" for bound in SECONDS}
    below = max(bound for bound in SECONDS if bound <= 0.25)
    assert below == pytest.approx(float(SLOW_S), rel=1e-5)
    assert float(LATE_S) == TOO_LATE_S
    assert TOO_LATE_S in LAG_BOUNDS_S


def test_the_words_in_matchers_are_words_of_the_code() -> None:
    """Outcomes that answer a visitor, and routes that no visitor walks."""
    assert ANSWERED.split("|") == [outcome.name.lower() for outcome in ANSWERED_OUTCOMES]
    assert set(OPERATOR.split("|")) < set(STEPS)


def test_both_configurations_scrape_the_same_jobs_on_the_ports_of_the_code() -> None:
    """One by the names of containers, one on this machine as `surge serve` has them."""
    configured = {
        name: yaml.safe_load((ROOM / name).read_text())
        for name in ("prometheus.yml", "prometheus-local.yml")
    }
    targets = {
        name: {
            job["job_name"]: job["static_configs"][0]["targets"][0].split(":")
            for job in config["scrape_configs"]
        }
        for name, config in configured.items()
    }
    here = targets["prometheus-local.yml"]
    assert {host for host, _ in here.values()} == {"127.0.0.1"}
    assert {job: port for job, (_, port) in here.items()} == {
        "service": str(USUAL_PORTS.metrics), "worker": str(USUAL_PORTS.worker_metrics),
        "registry": str(USUAL_PORTS.registry), "mailbox": str(USUAL_PORTS.mailbox),
        "photos": str(USUAL_PORTS.photos), "generator": "8003",
    }  # fmt: skip
    containers = targets["prometheus.yml"]
    assert [(job, port) for job, (_, port) in containers.items()] == [
        (job, port) for job, (_, port) in here.items()
    ]


def test_promtool_is_content_with_both_configurations_and_their_rules() -> None:
    """The program that Prometheus comes with."""
    for name in ("prometheus.yml", "prometheus-local.yml"):
        assert "is valid prometheus config" in promtool("check", "config", str(ROOM / name))


def test_promtool_is_content_with_every_query_of_the_dashboard(tmp_path: Path) -> None:
    """As if each were a rule."""
    asked = [
        {"record": f"query:number_{n}", "expr": query.filled()}
        for n, query in enumerate(queries(committed()))
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", str(path))


def test_alerts_fire_when_they_should_and_not_before() -> None:
    """Series that are made up, in promtool's own unit tests of rules."""
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")
