"""The Dockerfile: one lock with hashes, nobody's root, and all that the containers run."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from harness import CHECKOUT
from tests.packaging.containers import DOCKERFILE, copied, instructions, module, services


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "hadolint"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_hadolint_is_content() -> None:
    """With every rule that it has."""
    answer = hadolint(DOCKERFILE)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_hadolint_finds_a_planted_fault(tmp_path: Path) -> None:
    """A last user who is root."""
    path = tmp_path / "Dockerfile"
    path.write_text(DOCKERFILE.read_text() + "USER root\n")
    assert "DL3002" in hadolint(path).stdout


def test_it_starts_from_the_oldest_python_that_the_project_takes() -> None:
    """The one that the lock was made for."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    base = [rest for word, rest in instructions() if word == "FROM"]
    assert base == [f"python:{project['requires-python'].partition(',')[0].strip('>=')}-slim"]


def test_every_package_comes_from_the_lock_with_its_hash() -> None:
    """Nothing is installed by name, and no place is named: pip knows where to ask."""
    runs = [rest for word, rest in instructions() if word == "RUN"]
    installs = [run for run in runs if re.search(r"\b(?:pip|apt|apt-get|curl|wget)\b", run)]
    assert installs == ["pip install --require-hashes --requirement requirements.lock"]
    assert "://" not in DOCKERFILE.read_text()


def test_it_is_nobodys_root() -> None:
    """Numbers, which an orchestrator can check; and nothing is installed after that."""
    words = [word for word, _ in instructions()]
    user = dict(instructions())["USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert words[words.index("USER") + 1 :] == ["ENV", "CMD"]


def test_whatever_a_container_runs_is_in_the_image() -> None:
    """Every room that pyproject.toml lists, and the folder that runs go to."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    rooms = {name.partition(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    assert set(copied()) >= {"requirements.lock", *rooms}
    assert {m.partition(".")[0] for s in services().values() if (m := module(s))} <= rooms
    assert dict(instructions())["WORKDIR"] == "/app"
    volumes = services()["load-master"]["volumes"]
    assert [volume["target"] for volume in volumes] == ["/app/runs"]


def sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last line that matches decides."""
    ignored = False
    for line in (CHECKOUT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().lstrip("!").rstrip("/")
        if not pattern or pattern.startswith("#"):
            continue
        parents = [path, *map(str, Path(path).parents)]
        bare = pattern.removeprefix("**/")
        if any(fnmatch(p, pattern) or ("**" in pattern and fnmatch(Path(p).name, bare))
               for p in parents):  # fmt: skip
            ignored = not line.startswith("!")
    return not ignored


def test_the_build_is_sent_what_it_copies_and_nothing_else() -> None:
    """No history, no environment, no run of somebody's, no secret in .env."""
    assert [path for path in copied() if not sent(path)] == []
    assert sent("workload/scenarios/smoke.toml")
    kept_back = (".git/config", ".venv/bin/python", "runs/x/manifest.json", ".env", "tests/a.py",
                 "simulation/__pycache__/kernel.nbi", "grafana/rules.yml")  # fmt: skip
    assert [path for path in kept_back if sent(path)] == []
