"""A projection as a picture: `surge simulate -o`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Verb = Callable[..., Any]

BRIEF = ("simulate", "smoke", "--engine", "simpy", "--window", "0s..2s", "--horizon", "20s",
         "--replications", "2")  # fmt: skip


def test_the_picture_says_what_the_projection_came_to(
    verb: Verb, model_file: Path, tmp_path: Path
) -> None:
    """As .svg its letters can be read: the titles, and that the bands are pointwise."""
    picture = tmp_path / "pictures" / "course.svg"
    verb(*BRIEF, "--model", str(model_file), "-o", str(picture))
    words = picture.read_text()
    for said in ("answered", "pointwise", "begun (dashed)", "2 runs"):
        assert said in words


@pytest.mark.slow
def test_the_picture_may_be_a_png(verb: Verb, model_file: Path, tmp_path: Path) -> None:
    """By its ending."""
    picture = tmp_path / "course.png"
    verb(*BRIEF, "--model", str(model_file), "-o", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_another_ending_is_refused_before_anything_is_simulated(
    verb: Verb, model_file: Path, tmp_path: Path
) -> None:
    """With the endings that there are."""
    found = verb(*BRIEF, "--model", str(model_file), "-o", str(tmp_path / "course.gif"))
    assert found.code == 2
    assert "end it in .svg or .png" in " ".join(found.told.split())
    assert not (tmp_path / "course.gif").exists()
