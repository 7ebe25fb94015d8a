"""Progress for people, on stderr: a bar on a terminal, now and then a line elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from harness.tables import console, say

#: Seconds between two lines in a log; a terminal is redrawn as rich likes.
LINE_EVERY_S = 10.0

#: Takes the share that is done and a few words beside the bar.
Report = Callable[[float, str], None]


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """Within the block, what is reported is shown; afterwards the bar is gone."""
    screen = console()
    if not screen.is_terminal:
        yield _Lines(what).report
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bars:
        yield _Bar(bars, bars.add_task(what, total=1.0, words="")).report


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def report(self, share: float, words: str = "") -> None:
        self._bars.update(self._task, completed=min(share, 1.0), words=words)


class _Lines:
    """The first line comes after LINE_EVERY_S: what is quick is not worth one."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = monotonic() + LINE_EVERY_S

    def report(self, share: float, words: str = "") -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + LINE_EVERY_S
            say(f"{self._what}: {min(share, 1.0):.0%} {words}".rstrip())
