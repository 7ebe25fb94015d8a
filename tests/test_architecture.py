"""The rules of the house, each with the machine that holds it, and a planted fault it must find."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import CHECKOUT

ROOMS = ("harness", "loadtests", "simulation", "workload", "target_app")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
DRAWERS = ("utils", "common", "core", "lib", "manager", "helper", "helpers", "schemas", "constants")

# Pieced together, so that this file does not hold what it looks for.
HOSTS = "|".join(
    map(
        re.escape,
        ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "npmjs" + ".com"]
        + [f"{name}.debian" + ".org" for name in ("deb", "ftp", "security", "packages")],
    )
)
FORBIDDEN = {
    "a registry's or a download host's name": re.compile(HOSTS),
    "a path of one machine": re.compile(r"(?<![\w.])/(?:root|work|home" + r"|tmp)/[\w.]"),
    "work left over": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
    "code hidden from coverage": re.compile("pragma: no" + " cover"),
}


def tool(name: str, *arguments: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    """A development tool of this environment, run as CI does."""
    command = [str(Path(sys.executable).parent / name), *arguments]
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(cwd)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def project_files(root: Path = CHECKOUT) -> list[Path]:
    """What git has or would take: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = {root / name for name in listed.stdout.split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def texts(files: list[Path]) -> dict[Path, str]:
    """Those of the files that hold text."""
    found = {}
    for path in files:
        try:
            found[path] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


PYTHON = [path for path in project_files() if path.suffix == ".py"]


# The checkers: each takes a file's path and text, and gives the faults.


def too_long(path: Path, text: str) -> list[str]:
    lines = text.count("\n")
    faults = [f"{path}: {lines} lines, more than {LONGEST_FILE}"] if lines > LONGEST_FILE else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                faults.append(f"{path}:{node.lineno}: {node.name} has {length} lines")
    return faults


def nameless(path: Path, text: str) -> list[str]:
    """Files that do not say what they are; files and folders that say nothing by their name."""
    faults = []
    if not (ast.get_docstring(ast.parse(text)) or "").strip():
        faults.append(f"{path}: no docstring that says what it is in the house")
    names = {path.stem, path.parent.name}
    faults += [f"{path}: {name} is a drawer, not a room" for name in names & set(DRAWERS)]
    return faults


def forbidden(path: Path, text: str) -> list[str]:
    return [
        f"{path}:{number}: {what}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line)
    ]


def asserts(node: ast.AST) -> bool:
    """An assert, a `with raises`, or a call of a function that is named for checking."""
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in ("raises", "warns", "fail") or name.startswith(("assert_", "check"))


def asserts_nothing(path: Path, text: str) -> list[str]:
    return [
        f"{path}:{node.lineno}: {node.name} asserts nothing"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not any(asserts(part) for part in ast.walk(node))
    ]


def faults_of(checker: Callable[[Path, str], list[str]], files: list[Path]) -> list[str]:
    return [fault for path, text in texts(files).items() for fault in checker(path, text)]


# The rules


def test_no_file_and_no_function_is_too_long() -> None:
    """400 lines a file, 60 a function."""
    assert faults_of(too_long, PYTHON) == []


def test_every_file_says_what_it_is_and_has_a_telling_name() -> None:
    """No drawer for whatever is left over."""
    assert faults_of(nameless, PYTHON) == []


def test_nothing_forbidden_is_written_anywhere() -> None:
    """No host of a registry, no path of one machine, no work left over."""
    assert faults_of(forbidden, project_files()) == []


def test_every_test_asserts_something() -> None:
    """A test that can't fail tests nothing."""
    tests = [path for path in PYTHON if path.name.startswith("test_")]
    assert tests != []
    assert faults_of(asserts_nothing, tests) == []


@pytest.mark.parametrize(
    ("checker", "text", "faults"),
    [
        (too_long, "'''a'''\n" + "x = 1\n" * 400, 1),
        (too_long, "def f():\n" + "    x = 1\n" * 60, 1),
        (too_long, "def f():\n" + "    x = 1\n" * 59, 0),
        (nameless, "x = 1\n", 1),
        (forbidden, "# see https://pypi" + ".org/simple\n", 1),
        (forbidden, "open('/ro" + "ot/.cache')  # TO" + "DO\n", 2),
        (forbidden, "<a href='https://example.com/home/page'>\n", 0),
        (asserts_nothing, "def test_a():\n    run()\n", 1),
        (asserts_nothing, "def test_a():\n    with raises(E):\n        run()\n", 0),
    ],
)
def test_a_planted_fault_is_found(
    checker: Callable[[Path, str], list[str]], text: str, faults: int
) -> None:
    """Each checker sees what it is there for, and not what only looks like it."""
    assert len(checker(Path("workload/planted.py"), text)) == faults


def test_a_drawer_is_found() -> None:
    """By the name of the file or of its folder."""
    assert len(nameless(Path("workload/utils.py"), "'''Odds and ends.'''")) == 1
    assert len(nameless(Path("harness/common/money.py"), "'''Money.'''")) == 1


def contracts() -> list[dict[str, object]]:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    listed: list[dict[str, object]] = project["tool"]["importlinter"]["contracts"]
    return listed


def test_the_rooms_import_only_what_they_may() -> None:
    """The contracts of pyproject.toml hold."""
    answer = tool("lint-imports", "--no-cache")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(contracts())} kept, 0 broken" in answer.stdout


# One import for each contract, in the order of pyproject.toml, that breaks it.
BREACHES = [
    ("workload", "import simulation"),
    ("harness", "import target_app"),
    ("loadtests", "import target_app"),
    ("target_app", "import workload"),
    ("simulation", "import gevent"),
    ("loadtests", "import numba"),
    ("workload", "import asyncpg"),
]


def test_every_contract_is_broken_by_the_import_it_forbids(tmp_path: Path) -> None:
    """All breaches at once, in a house of empty rooms: no contract is kept."""
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    for number, (room, breach) in enumerate(BREACHES):
        (tmp_path / room / f"breach{number}.py").write_text(f"{breach}\n")
    answer = tool("lint-imports", "--no-cache", cwd=tmp_path)
    kept = [
        str(contract["name"])
        for contract in contracts()
        if not re.search(rf"{re.escape(str(contract['name']))}\s+BROKEN", answer.stdout)
    ]
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert kept == []


def test_ruff_is_content() -> None:
    """With every rule but those that pyproject.toml gives a reason for."""
    answer = tool("ruff", "check", "--no-cache", "--output-format", "concise", ".")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_ruff_finds_a_planted_fault(tmp_path: Path) -> None:
    """A parameter without a type, under our own configuration."""
    (tmp_path / "planted.py").write_text('"""Planted."""\n\n\ndef f(x):\n    return x\n')
    config = str(CHECKOUT / "pyproject.toml")
    answer = tool("ruff", "check", "--no-cache", "--config", config, str(tmp_path))
    assert "ANN001" in answer.stdout


def test_every_ignored_lint_rule_states_its_reason() -> None:
    """In pyproject.toml, beside it."""
    text = (CHECKOUT / "pyproject.toml").read_text().partition("[tool.ruff.lint]")[2]
    rules = re.findall(
        r'^\s+"[A-Z]+\d*".*$', text.partition("[tool.ruff.lint.pydoc")[0], re.MULTILINE
    )
    assert len(rules) > 20
    assert [rule for rule in rules if not re.search(r"#\s+\S", rule)] == []


@pytest.mark.slow
def test_mypy_is_content() -> None:
    """Strict, in every room and in the tests."""
    answer = tool("mypy")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
def test_mypy_finds_a_planted_fault(tmp_path: Path) -> None:
    """An answer of the wrong type, under our own configuration."""
    planted = tmp_path / "planted.py"
    planted.write_text('"""Planted."""\n\n\ndef f() -> int:\n    return "one"\n')
    settings = ["--config-file", str(CHECKOUT / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    answer = tool("mypy", *settings, str(planted))
    assert "return-value" in answer.stdout


def test_shellcheck_is_content_with_every_shell_script() -> None:
    """./surge is POSIX sh, .ci/run is bash."""
    scripts = [
        str(path)
        for path, text in texts(project_files()).items()
        if re.match(r"#!.*\b(ba)?sh\b", text)
    ]
    assert str(CHECKOUT / "surge") in scripts
    answer = tool("shellcheck", *scripts)
    assert answer.returncode == 0, answer.stdout


def test_the_lock_pins_every_dependency_with_hashes_and_names_no_place() -> None:
    """Any index can serve it."""
    lock = (CHECKOUT / "requirements.lock").read_text()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.split(r"[>=<\[ ]", requirement)[0] for requirement in wanted]
    missing = [
        name for name in names if not re.search(rf"^{name}==.*\\\n\s+--hash", lock, re.MULTILINE)
    ]
    assert missing == []
    assert "://" not in lock


def test_pyproject_lists_every_package_there_is() -> None:
    """A package that is not listed would be missing from an installation."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    present = {
        ".".join(path.parent.relative_to(CHECKOUT).parts)
        for path in PYTHON
        if path.name == "__init__.py" and path.relative_to(CHECKOUT).parts[0] in ROOMS
    }
    assert listed == present
