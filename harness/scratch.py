"""Temporary folders that a kill -9 of their owner does not leave behind for ever."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.tether import Account

PREFIX = "surge-scratch-"


def sweep(parent: Path) -> None:
    """Remove the folders whose owner was killed: nobody holds their lock any more."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            with (folder / "owner").open("r") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # still in use, not ours, or just being made


@contextmanager
def scratch(account: Account | None = None) -> Iterator[Path]:
    """A fresh folder that only we may enter, or only the account; gone at the end.

    It sweeps first, so what an owner that was killed left is gone with the next one's start.
    """
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    draft = folder / "owner.draft"
    with draft.open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        draft.rename(folder / "owner")  # locked before it can be seen under its name
        if account:
            os.chown(folder, account.uid, account.gid)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
