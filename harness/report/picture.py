"""A picture of a report: the machine's own Chromium opens the file and photographs its top."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from harness.errors import BadInput

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Nothing but the page: no first-run talk, no network of its own.
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
WIDTH: Final = 1100
HEIGHT: Final = 1500
TIMEOUT_S: Final = 60.0


def find_chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def take_picture(page: Path, output: Path, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """The top of the page as a PNG of this size in pixels. BadInput when it can't be taken."""
    chromium = find_chromium()
    if chromium is None:
        remedy = f"no Chromium on PATH ({', '.join(NAMES)}); install one or leave --picture out"
        raise BadInput(f"picture={str(output)!r}: {remedy}")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            chromium,
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--screenshot={output.resolve()}",
            page.resolve().as_uri(),
        ]
        try:
            said = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            remedy = f"Chromium took longer than {TIMEOUT_S:.0f} s; is the machine overloaded?"
            raise BadInput(f"picture={str(output)!r}: {remedy}") from error
    if not output.is_file():
        last = (said.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BadInput(f"picture={str(output)!r}: Chromium took none: {last}")
    return output
