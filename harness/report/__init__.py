"""One offline HTML file that says what was found, how far to trust it, and what it can't say."""

from harness.report.page import write_report

__all__ = ["write_report"]
