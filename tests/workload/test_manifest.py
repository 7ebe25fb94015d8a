"""Manifests and JSON records: who made a run, and clear words where that can't be read."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.errors import RecordError
from workload.manifest import (
    Bending,
    Manifest,
    read_json,
    read_manifest,
    these_versions,
    this_commit,
    this_machine,
    write_json,
)

MANIFEST = Manifest(
    kind="measured",
    scenario="smoke",
    fingerprint="0123456789ab",
    seed=7,
    bending=Bending(window_s=(0.0, 30.0), thin=0.5, population=1000.0, speed=2.0, pauses=0.1),
    status="interrupted",
    reasons=("Ctrl-C",),
    capacity={"pool": 8},
)


def test_a_manifest_reads_back_the_same(tmp_path: Path) -> None:
    """Bending and reasons as the tuples they were."""
    MANIFEST.write(tmp_path)
    assert read_manifest(tmp_path) == MANIFEST


def test_a_reader_never_sees_half_a_manifest(tmp_path: Path) -> None:
    """It is written beside and moved over; nothing else stays."""
    MANIFEST.write(tmp_path)
    MANIFEST.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "surge/manifest/2"}, "this command reads surge/manifest/1"),
        ({"bending": None}, "was it edited"),
        ({"bending": []}, "was it edited"),
        ({"bending": {"thin": 1.0}}, "was it edited"),
        ({"surprise": 1}, "was it edited"),
        ({"reasons": None}, "was it edited"),
    ],
)
def test_an_edited_manifest_is_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    """With the file, and what may have happened."""
    path = MANIFEST.write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=said):
        read_manifest(tmp_path)


def test_a_manifest_without_a_seed_is_refused(tmp_path: Path) -> None:
    """A missing key is named."""
    path = MANIFEST.write(tmp_path)
    raw = json.loads(path.read_text())
    del raw["seed"]
    path.write_text(json.dumps(raw))
    with pytest.raises(RecordError, match=r"seed.*a key is missing or unknown"):
        read_manifest(tmp_path)


def test_a_manifest_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    """At every length but the whole one."""
    path = MANIFEST.write(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # the last byte is a newline
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match="not whole JSON: cut short or another kind"):
            read_manifest(tmp_path)


def test_a_directory_that_is_no_run_says_so(tmp_path: Path) -> None:
    """Nothing there, or not even a directory."""
    with pytest.raises(RecordError, match="give a run directory or file that `surge` wrote"):
        read_manifest(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordError, match="not whole JSON"):
        read_manifest(tmp_path / "file")


@pytest.mark.parametrize("content", ["[]", "5", "null", '"surge/x/1"', '{"a": 1}'])
def test_json_without_the_schema_is_refused(tmp_path: Path, content: str) -> None:
    """The one that was found is named beside the one that is read."""
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(RecordError, match="schema = None: this command reads surge/x/1"):
        read_json(path, "surge/x/1")


@pytest.mark.parametrize("content", ['{"a": NaN}', "[" * 100_000, "\x00", ""])
def test_what_is_not_json_is_refused(tmp_path: Path, content: str) -> None:
    """NaN, an abyss of brackets, a NUL, nothing."""
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(RecordError, match="not whole JSON"):
        read_json(path, "surge/x/1")


def test_infinity_is_never_written(tmp_path: Path) -> None:
    """JSON has none; a fold says null instead."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"value": math.inf})
    assert not (tmp_path / "x.json").exists()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text().filter(lambda key: key != "schema"), plain, max_size=4))
def test_a_record_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]
) -> None:
    """Without its schema key, which the reader took out."""
    path = tmp_path_factory.getbasetemp() / "record.json"
    write_json(path, {"schema": "surge/x/1", **value})
    assert read_json(path, "surge/x/1") == value


def test_two_bendings_differ_where_they_do() -> None:
    """By name, for the message that refuses a comparison."""
    straight = Bending(window_s=(0.0, 30.0))
    assert straight.differences(Bending((0.0, 30.0))) == []
    assert straight.differences(MANIFEST.bending) == ["thin", "population", "speed", "pauses"]
    assert straight.differences(Bending((0.0, 31.0))) == ["window_s"]


def test_the_machine_and_its_versions_are_named() -> None:
    """Enough to tell two machines apart, and nothing that isn't JSON."""
    machine, versions = this_machine(), these_versions()
    assert machine["cores"] == os.cpu_count()
    assert machine["processor"]
    assert machine["memory_gib"] > 0
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "locust"} <= set(versions)
    json.dumps([machine, versions])


def test_the_commit_is_that_of_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """By git; unknown, and no fault, on a machine without git."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    assert this_commit().removesuffix("+") == head
    monkeypatch.setenv("PATH", "")
    assert this_commit() == ""
