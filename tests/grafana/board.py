"""Reading a dashboard and its queries: what the tests of this room share."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser

from grafana.generate import ROOM

SCRAPE_S = 1
#: What Grafana makes of its variables at a scrape interval of 1 s and a short time range.
RATE_INTERVAL = f"{4 * SCRAPE_S}s"


def committed() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((ROOM / "dashboards" / "surge.json").read_text())
    return board


@dataclass(frozen=True)
class Query:
    """One target of one panel."""

    panel: str
    legend: str
    expr: str

    def filled(self, steps: str = ".+") -> str:
        """As Grafana would send it."""
        return self.expr.replace("$__rate_interval", RATE_INTERVAL).replace("$step", steps)


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Without the rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board: Mapping[str, Any]) -> list[Query]:
    return [
        Query(panel["title"], target["legendFormat"], target["expr"])
        for panel in panels(board)
        for target in panel["targets"]
    ]


def selectors(expr: Any, inside: str = "") -> Iterator[tuple[str, str, dict[str, str]]]:
    """(function around it, metric, matchers) of every selector of a parsed query."""
    if isinstance(expr, promql_parser.MatrixSelector):
        yield from selectors(expr.vector_selector, inside)
    elif isinstance(expr, promql_parser.VectorSelector):
        yield inside, expr.name or "", {m.name: m.value for m in expr.matchers.matchers}
    elif isinstance(expr, promql_parser.Call):
        for argument in expr.args:
            yield from selectors(argument, expr.func.name)
    elif isinstance(expr, promql_parser.BinaryExpr):
        yield from selectors(expr.lhs, inside)
        yield from selectors(expr.rhs, inside)
    elif isinstance(expr, promql_parser.AggregateExpr | promql_parser.ParenExpr):
        yield from selectors(expr.expr, inside)


def parsed(expr: str) -> Any:
    """Raises ValueError for what is no PromQL."""
    return promql_parser.parse(expr)


def labels_named(legend: str) -> set[str]:
    """Labels that a legend shows."""
    return set(re.findall(r"{{\s*(\w+)\s*}}", legend))
