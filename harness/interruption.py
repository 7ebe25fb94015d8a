"""Ctrl-C, SIGTERM and a closed terminal are one wish: end early, and leave everything in order."""

import signal
from types import FrameType


class Wish:
    """Whether somebody has asked us to end."""

    def __init__(self) -> None:
        self.heard = False

    def hear(self, _number: int, _frame: FrameType | None) -> None:
        """A signal's handler; the main thread gets a KeyboardInterrupt."""
        self.heard = True
        raise KeyboardInterrupt


def hear_ctrl_c() -> None:
    """From now on SIGINT raises KeyboardInterrupt, also where it came in ignored.

    A shell that is no terminal starts what runs in its background so.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def end_on_any_wish() -> Wish:
    """From now on SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt.

    A SIGHUP that is ignored stays so: that is what nohup is for.
    """
    wish = Wish()
    signal.signal(signal.SIGINT, wish.hear)
    signal.signal(signal.SIGTERM, wish.hear)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, wish.hear)
    return wish
