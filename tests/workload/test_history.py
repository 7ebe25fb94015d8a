"""Histories: what was written reads back; what was cut short is said to be, or recovered whole."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workload.errors import RecordError
from workload.history import (
    BATCH_ROWS,
    NAMES,
    History,
    HistoryWriter,
    Observation,
    ending_name,
    outcome_name,
    read_history,
    write_history,
)
from workload.visit import Ending, Outcome

STEPS = ("open_site", "register")
instants = st.integers(0, 2**62)
observations = st.builds(
    Observation,
    visitor=st.integers(0, 2**62),
    step=st.integers(0, 8),
    number=st.integers(1, 2000),
    arrived=instants,
    intended=instants,
    started=instants,
    ended=instants,
    outcome=st.sampled_from([int(one) for one in Outcome]),
    status=st.integers(0, 599),
    ending=st.sampled_from([int(one) for one in Ending]),
)


def row(visitor: int, ended: int = 0) -> Observation:
    return Observation(visitor, 0, 1, 0, 0, 0, ended, Outcome.ACCEPTED, 200, Ending.FINISHED)


def same(one: History, other: History) -> bool:
    return one.steps == other.steps and all(np.array_equal(one[n], other[n]) for n in NAMES)


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """Three batches of 40 rows, flushed one by one; the file's path."""
    with HistoryWriter(tmp_path, STEPS) as writer:
        for batch in range(3):
            for visitor in range(40):
                writer.add(row(batch * 40 + visitor))
            writer.flush()
    return writer.path


@settings(max_examples=40)
@given(st.lists(observations, max_size=30))
def test_what_is_added_reads_back_in_the_order_of_its_end(rows: list[Observation]) -> None:
    """Every column of every row; rows that end together keep their order."""
    with TemporaryDirectory() as folder:
        with HistoryWriter(Path(folder), STEPS) as writer:
            for one in rows:
                writer.add(one)
        found = read_history(Path(folder))
    assert writer.count == len(rows)
    assert found.steps == STEPS
    assert list(found.rows()) == sorted(rows, key=lambda one: one.ended)


@settings(max_examples=40)
@given(st.lists(observations, max_size=30))
def test_a_whole_history_reads_back_the_same(rows: list[Observation]) -> None:
    """Written at once, as a simulation does."""
    history = History.of(STEPS, sorted(rows, key=lambda one: one.ended))
    with TemporaryDirectory() as folder:
        write_history(Path(folder), history)
        assert same(read_history(Path(folder)), history)


def test_more_rows_than_a_batch_are_written_while_they_come(tmp_path: Path) -> None:
    """A run that is killed keeps what it had flushed."""
    writer = HistoryWriter(tmp_path, STEPS)
    for visitor in range(BATCH_ROWS + 5):
        writer.add(row(visitor))
    assert len(read_history(tmp_path, cut_short_is_fine=True)) == BATCH_ROWS
    writer.close()
    assert len(read_history(tmp_path)) == BATCH_ROWS + 5


def test_shards_are_read_as_one_history_ordered_by_the_end(tmp_path: Path) -> None:
    """One stream a worker."""
    for shard, ends in (("0", (5, 30)), ("1", (10, 20))):
        with HistoryWriter(tmp_path, STEPS, shard) as writer:
            for ended in ends:
                writer.add(row(int(shard), ended))
    assert read_history(tmp_path)["ended"].tolist() == [5, 10, 20, 30]


def test_shards_of_two_journeys_are_no_history(tmp_path: Path) -> None:
    """Their step numbers would mean different things."""
    for shard, steps in (("0", STEPS), ("1", ("pay",))):
        with HistoryWriter(tmp_path, steps, shard) as writer:
            writer.add(row(1))
    with pytest.raises(RecordError, match="the shards of one run walk one journey"):
        read_history(tmp_path)


def prefixes(size: int) -> Iterator[int]:
    """Every length near the bounds of messages (multiples of 8), and each 7th in between."""
    return iter(sorted({*range(0, size, 7), *range(1200), *range(size - 64, size)}))


def test_a_history_cut_short_anywhere_is_never_taken_for_a_whole_one(stream: Path) -> None:
    """At every kind of prefix: RecordError that says so."""
    whole = stream.read_bytes()
    for length in prefixes(len(whole)):
        stream.write_bytes(whole[:length])
        with pytest.raises(RecordError, match="cut short"):
            read_history(stream.parent)


def test_a_history_cut_short_anywhere_gives_its_whole_batches_when_that_is_fine(
    stream: Path,
) -> None:
    """An interrupted run: 0, 40, 80 or 120 rows, in order, never half a batch."""
    whole = stream.read_bytes()
    kept = []
    for length in prefixes(len(whole)):
        stream.write_bytes(whole[:length])
        found = read_history(stream.parent, cut_short_is_fine=True)
        assert found["visitor"].tolist() == list(range(len(found)))
        assert found.steps in ((), STEPS)
        kept.append(len(found))
    assert kept == sorted(kept)
    assert set(kept) == {0, 40, 80, 120}


def test_the_message_says_how_many_rows_survived(stream: Path) -> None:
    """And what to do."""
    stream.write_bytes(stream.read_bytes()[:-8])
    with pytest.raises(RecordError, match="cut short after 120 whole rows; run the campaign again"):
        read_history(stream.parent)


def test_a_shard_without_even_a_schema_does_not_hide_the_others(stream: Path) -> None:
    """A worker that was killed at once; the others' steps and rows are kept."""
    (stream.parent / "history-1.arrows").write_bytes(b"")
    found = read_history(stream.parent, cut_short_is_fine=True)
    assert (found.steps, len(found)) == (STEPS, 120)


@pytest.mark.parametrize("cut_short_is_fine", [False, True])
@pytest.mark.parametrize("content", [b"PAR1" + bytes(100), b"visitor,step\n1,2\n", bytes(64)])
def test_a_file_of_another_kind_is_no_history(
    tmp_path: Path, content: bytes, *, cut_short_is_fine: bool
) -> None:
    """Not even an interrupted one."""
    (tmp_path / "history-0.arrows").write_bytes(content)
    with pytest.raises(RecordError, match="cut short or is of another kind"):
        read_history(tmp_path, cut_short_is_fine=cut_short_is_fine)


@pytest.mark.parametrize("metadata", [None, {b"schema": b"surge/history/2"}])
def test_another_schema_is_named_with_the_one_that_is_read(
    tmp_path: Path, metadata: dict[bytes, bytes] | None
) -> None:
    """A later version's history, or an Arrow stream of somebody else."""
    schema = pa.schema([("visitor", pa.int64())], metadata=metadata)
    with pa.OSFile(str(tmp_path / "history-0.arrows"), "wb") as sink:
        pa.ipc.new_stream(sink, schema).close()
    with pytest.raises(RecordError, match="this version reads surge/history/1"):
        read_history(tmp_path, cut_short_is_fine=True)


def test_a_directory_without_history_says_so(tmp_path: Path) -> None:
    """A wrong path, or a copy that left it out."""
    with pytest.raises(RecordError, match=r"holds history-\*.arrows; was it copied whole"):
        read_history(tmp_path)


def test_rows_are_ordered_by_visitor_step_and_number() -> None:
    """For folds that look at one visit at a time."""
    rows = [
        Observation(visitor, step, number, 0, 0, 0, 0, 0)
        for visitor, step, number in [(2, 0, 1), (1, 1, 2), (1, 1, 1), (1, 0, 1)]
    ]
    ordered = History.of(STEPS, rows).ordered()
    assert [(r.visitor, r.step, r.number) for r in ordered.rows()] == [
        (1, 0, 1),
        (1, 1, 1),
        (1, 1, 2),
        (2, 0, 1),
    ]


def test_names_of_outcomes_and_endings_are_their_words() -> None:
    """In lower case, as reports show them."""
    assert outcome_name(Outcome.READ_TIMEOUT) == "read_timeout"
    assert ending_name(Ending.GAVE_UP) == "gave_up"
