"""What every room's tests may use: a real PostgreSQL, and no skip where CI runs."""

import os
import signal
from collections.abc import Generator, Iterator

import pytest

from harness.database import fresh_database
from harness.postgres import database


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
