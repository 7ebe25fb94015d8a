"""Before the first visitor: the service is asked directly, and must be there and one's own."""

import os
import re
import subprocess
import sys

import pytest

from harness import CHECKOUT
from loadtests.target import check_ownership, wait_until_ready
from tests.loadtests.peers import Site
from workload.errors import InputError, InvalidRunError


def test_a_target_that_is_not_there_is_named() -> None:
    """With its URL."""
    with pytest.raises(InvalidRunError, match=r"http://127\.0\.0\.1:1/readyz was not healthy"):
        wait_until_ready("http://127.0.0.1:1", {}, within_s=0.3)


def test_a_proxy_of_the_environment_is_not_asked(site: Site) -> None:
    """Visitors go through none, so neither does who asks beside them; here it would be dead."""
    program = "import sys; from loadtests.target import fetch; print(fetch(sys.argv[1], {}, 2)[0])"
    asked = f"{site.url}/readyz"
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), name: "http://127.0.0.1:1"}
        environment = {k: v for k, v in environment.items() if k.lower() != "no_proxy"}
        command = [sys.executable, "-c", program, asked]
        answer = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert answer.stdout == b"200\n"


def test_no_room_asks_by_urllib_in_another_way() -> None:
    """What is at hand, `urlopen` and others, reads the environment."""
    rooms = ("harness", "loadtests", "simulation", "target_app", "workload")
    files = [path for room in rooms for path in (CHECKOUT / room).rglob("*.py")]
    shortcut = re.compile(r"\burlopen\(|^\s*(?:import|from) (?:httpx|requests)\b", re.MULTILINE)
    assert len(files) > 100
    assert [path for path in files if shortcut.search(path.read_text())] == []


def test_a_target_that_is_not_this_machine_must_be_owned() -> None:
    """By saying its name again; loopback needs no word."""
    check_ownership("http://127.0.0.1:8000", "")
    check_ownership("http://localhost:8000", "")
    check_ownership("http://203.0.113.7", "http://203.0.113.7")
    for other in ("", "http://203.0.113.8"):
        with pytest.raises(InputError, match="--yes-i-own http://203"):
            check_ownership("http://203.0.113.7", other)
    with pytest.raises(InputError, match="write http://HOST:PORT"):
        check_ownership("127.0.0.1:8000", "")
