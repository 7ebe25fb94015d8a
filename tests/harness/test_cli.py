"""The command line: every verb documented, every exit code kept, one JSON object on stdout."""

import json
import subprocess
from pathlib import Path

import pytest

from harness import CHECKOUT, cli
from harness.errors import BadInput, RunInvalid


def help_of(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        cli.main([verb, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def undocumented(name: str, text: str) -> list[str]:
    """What the help of a verb lacks."""
    faults = []
    if f"surge {name}" not in text.partition("example:")[2]:
        faults.append(f"surge {name} --help shows no example of its own use")
    faults += [
        f"surge {name}: option {line.split()[0]} is not explained"
        for line, following in zip(text.splitlines(), [*text.splitlines()[1:], ""], strict=True)
        if line.startswith("  -") and "  " not in line.strip() and not following.startswith(" " * 8)
    ]
    return faults


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_is_documented_with_an_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`surge VERB --help` explains each option and ends with a command to paste."""
    assert undocumented(verb, help_of(verb, capsys)) == []


def test_a_verb_without_an_example_or_with_a_bare_option_is_found() -> None:
    """Planted faults: no example; an option that is only a name."""
    text = "usage: surge bare\n\noptions:\n  -h, --help  show\n  --bare N\n"
    assert len(undocumented("bare", text)) == 2


def test_the_list_of_verbs_names_each_once(capsys: pytest.CaptureFixture[str]) -> None:
    """`surge --help` has a line for every verb, and the exit codes."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert [verb for verb in cli.VERBS if f"\n    {verb} " not in text] == []
    assert "130  interrupted" in text


def test_each_verb_is_one_module_and_each_module_one_verb() -> None:
    """No verb is forgotten in the list."""
    modules = {path.stem for path in (CHECKOUT / "harness" / "verbs").glob("*.py")}
    assert modules - {"__init__"} == set(cli.VERBS)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (BadInput("seed='x': give an integer"), 2),
        (RunInvalid("late"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_one_message_and_their_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
) -> None:
    """People see what happened on stderr, without a traceback; stdout stays empty."""

    def run(_arguments: object) -> int:
        raise raised

    monkeypatch.setattr("harness.verbs.doctor.run", run)
    assert cli.main(["doctor"]) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("surge doctor: ")
    assert str(raised) in output.err


def test_a_word_that_no_verb_knows_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and the word is named."""
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor", "--bogus"])
    assert end.value.code == 2
    assert "--bogus" in capsys.readouterr().err


def test_doctor_finds_all_that_is_required_and_prints_one_object(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The tests run, so this machine has what is required; each finding has the same fields."""
    assert cli.main(["doctor", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "surge/doctor/1"
    fields = {frozenset(finding) for finding in answer["findings"]}
    assert fields == {frozenset({"name", "ok", "required", "found", "remedy"})}
    names = {finding["name"] for finding in answer["findings"]}
    assert names >= {"Python", "cores", "memory", "PostgreSQL", "Chromium", "usual ports", "locust"}


def test_doctor_says_what_a_missing_database_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A DATABASE_URL where nobody listens: exit 2, and the remedy names the variable."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://surge@127.0.0.1:1/none")
    assert cli.main(["doctor"]) == 2
    text = capsys.readouterr().err
    assert "MISSING  PostgreSQL" in text
    assert "unset DATABASE_URL" in text


def test_test_hands_what_it_does_not_know_to_pytest() -> None:
    """`surge test -k NAME --collect-only FILE` collects what pytest would."""
    answer = subprocess.run(
        ["./surge", "test", "-q", "--collect-only", "-k", "hands_what", str(Path(__file__))],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0
    assert "test_test_hands_what_it_does_not_know_to_pytest" in answer.stdout
    assert "1/" in answer.stdout.splitlines()[-1]
