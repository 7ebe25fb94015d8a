"""What every room's tests may use: a real PostgreSQL, and no skip where CI runs."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from harness.database import fresh_database
from harness.postgres import database
from tests.parts import PARTS, part_of, rank_of


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--part`, by which `surge test` runs the tests in two halves."""
    parser.addoption("--part", choices=PARTS, help="only what computes, or only what runs alone")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The files of the other part are not even imported."""
    part = config.getoption("--part", None)
    other = part is not None and collection_path.is_file() and part_of(collection_path) != part
    return True if other else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is fast comes first, so that most faults are seen soon."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is not None, rank_of(item.path)))


def pytest_configure() -> None:
    """Let Ctrl-C be heard: a shell's background job, as CI may be, hands on an ignored SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["no_proxy"] = "*"  # tests ask this machine only, whatever proxy it has


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """URL of a database on a PostgreSQL of this session, or the one that DATABASE_URL names."""
    with database() as url:
        yield url


@pytest.fixture
def fresh_database_url(database_url: str) -> Iterator[str]:
    """URL of an empty database of this test alone."""
    with fresh_database(database_url) as url:
        yield url


def no_skip_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI a skipped test is a failed one: there the machine has what every test needs."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.outcome = "failed"
        report.longrepr = f"{reason} (CI allows no skip: .ci/run installs what tests need)"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    no_skip_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    no_skip_in_ci(report)
    return report
