"""The dashboard is what its generator makes, reads as Grafana wants it, and breaks no lint rule."""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import generate
from grafana.generate import ROOM
from tests.grafana.board import committed, labels_named, panels, parsed, queries, selectors

COUNTER = re.compile(r"_(?:total|bucket|sum|count)$")
#: A difference of two counters, which is a number of people.
STOCKS = {"Visitors inside"}

Board = dict[str, Any]


# The lint rules: each takes a dashboard and gives the faults.


def twice_numbered(board: Board) -> list[str]:
    numbers = Counter(panel["id"] for panel in board["panels"])
    return [f"panel id {number} is given twice" for number, n in numbers.items() if n > 1]


def unspoken(board: Board) -> list[str]:
    """Panels without a title of their own, a unit, or words on what they answer."""
    titles = Counter(panel["title"] for panel in panels(board))
    faults = [f"title {title!r} is used twice" for title, n in titles.items() if n > 1]
    for panel in panels(board):
        said = (panel.get("title"), panel["fieldConfig"]["defaults"].get("unit"))
        if not all((*said, panel.get("description"))):
            faults.append(f"panel {panel['id']} lacks a title, a unit or a description")
    return faults


def overlapping(board: Board) -> list[str]:
    taken: dict[tuple[int, int], str] = {}
    faults = []
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        faults += [f"{panel['title']} lies on {taken[cell]}" for cell in cells & taken.keys()][:1]
        faults += [f"{panel['title']} sticks out" for x, _ in cells if x > 23][:1]
        taken.update(dict.fromkeys(cells, panel["title"]))
    return faults


def unnamed(board: Board) -> list[str]:
    """Series without a legend, and legends that show a label which the query sums away."""
    faults = []
    for query in queries(board):
        kept = set(re.findall(r"by \(([^)]*)\)", query.expr))
        labels = {label.strip() for group in kept for label in group.split(",")} | {"job"}
        if not query.legend or not labels_named(query.legend) <= labels:
            faults.append(f"{query.panel}: legend {query.legend!r} does not name its series")
    return faults


def unreadable(board: Board) -> list[str]:
    faults = []
    for query in queries(board):
        try:
            parsed(query.filled())
        except ValueError as error:
            faults.append(f"{query.panel}: {error}")
    return faults


def raw_counters(board: Board) -> list[str]:
    """Counters outside rate(), gauges inside it, and windows that ignore the scrape interval."""
    faults = []
    for query in queries(board):
        windows = set(re.findall(r"\[([^]]+)\]", query.expr)) - {"$__rate_interval"}
        faults += [f"{query.panel}: window {window}" for window in windows]
        try:
            found = list(selectors(parsed(query.filled())))
        except ValueError:
            continue
        for function, metric, _ in found:
            grows = bool(COUNTER.search(metric))
            if grows != (function == "rate") and query.panel not in STOCKS:
                faults.append(f"{query.panel}: {function or 'bare'} {metric}")
    return faults


def elsewhere(board: Board) -> list[str]:
    """Queries that go to a fixed data source: the dashboard could not be imported anywhere."""
    sources = [panel["datasource"]["uid"] for panel in panels(board)]
    sources += [t["datasource"]["uid"] for panel in panels(board) for t in panel["targets"]]
    return [f"data source {uid} is fixed" for uid in set(sources) - {"${datasource}"}]


RULES = (twice_numbered, unspoken, overlapping, unnamed, unreadable, raw_counters, elsewhere)


@pytest.mark.parametrize("rule", RULES)
def test_the_dashboard_breaks_no_rule(rule: Callable[[Board], list[str]]) -> None:
    """Each of the rules above."""
    assert rule(committed()) == []


def spoil_number(board: Board) -> None:
    board["panels"][3]["id"] = board["panels"][2]["id"]


def spoil_unit(board: Board) -> None:
    del panels(board)[5]["fieldConfig"]["defaults"]["unit"]


def spoil_place(board: Board) -> None:
    panels(board)[6]["gridPos"]["x"] += 1


def spoil_legend(board: Board) -> None:
    panels(board)[0]["targets"][0]["legendFormat"] = "{{route}}"


def spoil_query(board: Board) -> None:
    panels(board)[0]["targets"][0]["expr"] = "sum by (rate("


def spoil_rate(board: Board) -> None:
    panels(board)[0]["targets"][0]["expr"] = "sum(surge_shed_total)"


def spoil_window(board: Board) -> None:
    panels(board)[0]["targets"][0]["expr"] = "sum(rate(surge_shed_total[5m]))"


def spoil_source(board: Board) -> None:
    panels(board)[0]["datasource"]["uid"] = "prometheus"


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (spoil_number, twice_numbered),
        (spoil_unit, unspoken),
        (spoil_place, overlapping),
        (spoil_legend, unnamed),
        (spoil_query, unreadable),
        (spoil_rate, raw_counters),
        (spoil_window, raw_counters),
        (spoil_source, elsewhere),
    ],
)
def test_a_planted_fault_is_found(
    spoil: Callable[[Board], None], rule: Callable[[Board], list[str]]
) -> None:
    """One fault in the real dashboard, one or more complaints of the rule that is there for it."""
    board = copy.deepcopy(committed())
    spoil(board)
    assert rule(board) != []


def test_what_is_committed_is_what_the_generator_makes() -> None:
    """`python -m grafana.generate` after a change, or this fails."""
    assert {path: path.read_text() for path in generate.texts()} == generate.texts()


def test_grafanas_own_model_reads_it_and_writes_the_same() -> None:
    """Nothing stands in it that Grafana does not know."""
    read = Dashboard.from_json(committed())
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == committed()


def test_it_shows_what_it_is_for() -> None:
    """Campaign and service, RED by step, both sides of every station, offered against achieved."""
    asked = [parsed(query.filled()) for query in queries(committed())]
    metrics = {metric for expr in asked for _, metric, _ in selectors(expr)}
    assert metrics >= {
        "surge_generator_due_total", "surge_generator_arrivals_total",
        "surge_generator_visits_ended_total", "surge_generator_lag_seconds_bucket",
        "surge_requests_total", "surge_route_seconds_bucket", "surge_queue_depth",
        "surge_station_wait_seconds_bucket", "surge_station_service_seconds_bucket",
        "surge_twin_busy_slots", "surge_mails_total", "process_cpu_seconds_total",
    }  # fmt: skip


def test_a_rate_interval_is_four_scrapes_of_this_prometheus() -> None:
    """Grafana takes it from timeInterval: with its default a run of 30 s would show nothing."""
    provisioned = yaml.safe_load((ROOM / "provisioning/datasources/prometheus.yml").read_text())
    source = provisioned["datasources"][0]
    for name in ("prometheus.yml", "prometheus-local.yml"):
        scraping = yaml.safe_load((ROOM / name).read_text())["global"]
        assert scraping["scrape_interval"] == source["jsonData"]["timeInterval"] == "1s"
    current = committed()["templating"]["list"][0]["current"]["value"]
    assert (current, source["isDefault"]) == (source["uid"], True)
