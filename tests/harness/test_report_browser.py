"""The report in a real Chromium: it opens from its file, is readable in both colour schemes,
without a script, on a phone and by a screen reader.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from harness import cli
from harness.report import write_report
from harness.report.picture import FLAGS, find_chromium
from tests.harness.report_runs import Story, write_agreement, write_projection, write_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything at once: an invalid run, failures, errors outside the band, two outcomes."""
    folder = tmp_path_factory.mktemp("runs") / "demo"
    late = Story(visitors=40, lasted_s=8, status="invalid", reasons=("schedule not kept",))
    write_run(folder / "low-1", late)
    write_run(folder / "held-out-1", Story(failing=10, busy=0.97, queue_at_end=300))
    write_agreement(folder)
    write_projection(folder, collapses=5, replications=10)
    return write_report([folder], folder / "report.html")


def open_page(browser: Browser, report: Path, scheme: str, width: int = 1200) -> Page:
    """The page as its file, with no script allowed and every request to elsewhere noted."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        offline=True,
    )
    page = context.new_page()
    page.goto(report.as_uri())
    return page


def test_it_opens_from_its_file_and_shows_its_verdict(browser: Browser, report: Path) -> None:
    """Offline, with nothing on the console, and no request but for itself."""
    noise: list[str] = []
    asked: list[str] = []
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("requestfailed", lambda request: noise.append(request.url))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    assert page.title() == "Not valid: smoke · Surge report"
    verdict = page.get_by_role("region", name="Verdict: Not valid")
    assert verdict.is_visible()
    said = verdict.locator(".sentence").inner_text()
    assert said.startswith("1 of 2 runs can't be used: low-1 is not valid")
    assert "it collapses in 5 of 10 replications" in said
    assert page.get_by_role("img").first.is_visible()
    assert noise == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_nothing_wrong(browser: Browser, report: Path, scheme: str, width: int) -> None:
    """Contrast, names, order of headings, tables, in both schemes, with every fold open."""
    page = open_page(browser, report, scheme, width)
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_axe_would_find_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    """Planted faults: no language, pale text, a picture without words."""
    planted = tmp_path / "planted.html"
    planted.write_text('<title>t</title><p style="color:#ddd">pale</p><img src="data:,">')
    found = Axe().run(open_page(browser, planted, "light"))
    wrong = {violation["id"] for violation in found.response["violations"]}
    assert wrong >= {"html-has-lang", "color-contrast", "image-alt"}


@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_sticks_out_of_the_page(browser: Browser, report: Path, width: int) -> None:
    """Wide tables scroll inside; the page itself never scrolls sideways."""
    page = open_page(browser, report, "light", width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_drawing_takes_the_colours_of_the_scheme(browser: Browser, report: Path) -> None:
    """Letters in a plot are dark on light, and light on dark."""
    brightness = {}
    for scheme in ("light", "dark"):
        page = open_page(browser, report, scheme)
        colour = page.locator("figure svg text").first.evaluate("e => getComputedStyle(e).fill")
        brightness[scheme] = sum(int(part) for part in colour[4:-1].split(","))
    assert brightness["light"] < 300
    assert brightness["dark"] > 450


def test_a_print_shows_what_is_folded(browser: Browser, report: Path) -> None:
    """On paper nobody can open a fold."""
    page = open_page(browser, report, "light")
    folded = page.locator("details:not([open]) table").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert folded.is_visible()
    assert not page.get_by_role("navigation").is_visible()


def test_the_command_takes_a_picture_of_the_top(tmp_path: Path) -> None:
    """`surge report --picture FILE.png RUN`: a PNG of 1100 × 1500 pixels."""
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    run = write_run(tmp_path / "run")
    picture = tmp_path / "pictures" / "report.png"
    assert cli.main(["report", "--picture", str(picture), str(run)]) == 0
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (1100, 1500)
    assert picture.stat().st_size < 300_000


def test_a_picture_without_chromium_ends_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2; the report itself is there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    run = write_run(tmp_path / "run")
    assert cli.main(["report", str(run), "--picture", str(tmp_path / "r.png")]) == 2
    assert "no Chromium on PATH" in capsys.readouterr().err
    assert (run / "report.html").is_file()
