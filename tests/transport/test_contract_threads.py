"""Threads on every broker: heads, histories, the queue, and that nothing is left of one that was deleted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.transport.commits import commit_of, lease_of, log, settle, statuses

from drumline_protocol.cells import CellRow
from drumline_protocol.keys import owner_of_thread
from drumline_protocol.limits import LOG_TTL_S
from drumline_transport.broker import BlobPut, CellAppend, HistoryRow, QueueRow

#: names that a key could be taken apart at wrongly
THREADS = ["t", "a:b", "a%3Ab", "%t", "\u00e9 {x} *"]
NOW_MS = 1_800_000_000_000


def row(id_: str, kind: str = "c", ns: str = "", checkpoint: str = "c1", data: bytes = b"data") -> HistoryRow:
    return HistoryRow(id_, kind, ns, checkpoint, data)


def ids(rows: list[Any]) -> list[str]:
    return [each.id for each in rows]


@pytest.mark.parametrize("thread", THREADS)
def test_history_is_read_as_it_was_written(broker: Any, thread: str) -> None:
    lease = lease_of(broker)
    uuid = "1f1ea6f1-bc03-6d0e-a3b1-96a648872c32"
    rows = [row("5-0", checkpoint=uuid, data=b"\x00\xff"), row("5-1", "w", "n:1|m:2"), row("900719925474099300-0")]
    settle(broker, commit_of(lease, 1, history=[(thread, rows[0])]))
    settle(broker, commit_of(lease, 2, history=[(thread, each) for each in rows[1:]], threads=[(thread, 7, {"a": 1})]))
    assert broker.read_history(0, thread) == rows
    assert broker.read_history(0, thread, "(5-0") == rows[1:]
    assert broker.read_history(0, thread, "5-1", "5-1") == rows[1:2]
    assert broker.read_history(0, thread, count=2, backwards=True) == rows[:0:-1]
    assert broker.read_history(0, thread, newest="(5-1", backwards=True) == rows[:1]
    assert broker.load_thread(0, thread) == {"a": b"1"}
    assert broker.read_history(0, "nobody") == [] and broker.load_thread(0, "nobody") == {}


@pytest.mark.parametrize("late", ["5-1", "5-0", "4-9"])
def test_a_row_that_does_not_come_last_diverges_and_changes_nothing(broker: Any, late: str) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, history=[("t", row("5-1"))], queued=[QueueRow("5-1", "t", "r", "", b"")]))
    for parts in ({"history": [("t", row(late))]}, {"queued": [QueueRow(late, "t", "r2", "", b"")]}):
        replies = settle(broker, commit_of(lease, 2, logs=[log("r", 1, 1)], **parts))
        assert statuses(replies) == [(2, "diverged")]
    assert broker.load_log(0, "r") == []
    assert ids(broker.read_history(0, "t")) == ids(broker.read_queue(0)) == ["5-1"]


def test_a_commit_that_comes_twice_is_there_once(broker: Any) -> None:
    lease = lease_of(broker)
    commit = commit_of(lease, 1, history=[("t", row("5-0"))], queued=[QueueRow("5-0", "t", "r", "enqueue", b"x")])
    assert statuses(settle(broker, commit, commit)) == [(1, "applied"), (1, "already")]
    assert broker.read_queue(0) == [QueueRow("5-0", "t", "r", "enqueue", b"x")]
    assert ids(broker.read_history(0, "t")) == ["5-0"]


def test_what_ran_before_does_not_keep_rows_from_coming_when_they_were_cut(broker: Any) -> None:
    lease = lease_of(broker)
    many = [("t", row(f"5-{n}")) for n in range(1, 250)]
    settle(broker, commit_of(lease, 1, history=many), commit_of(lease, 2, history_cut=[("t", "5-3")]))
    assert ids(broker.read_history(0, "t")) == ["5-1", "5-2", "5-3"]
    settle(broker, commit_of(lease, 3, history=[("t", row("5-4"))]))
    assert ids(broker.read_history(0, "t")) == ["5-1", "5-2", "5-3", "5-4"]
    settle(broker, commit_of(lease, 4, history_cut=[("t", "0-0")], history=[("t", row("6-0"))]))
    settle(broker, commit_of(lease, 5, history=[("t", row("2-0"))]))
    assert ids(broker.read_history(0, "t")) == ["2-0"]


def test_who_waits_is_read_in_order_and_leaves(broker: Any) -> None:
    lease = lease_of(broker)
    queued = [QueueRow(f"7-{n}", "t", f"r{n}", "reject", b"%d" % n) for n in range(1, 5)]
    settle(broker, commit_of(lease, 1, queued=queued), commit_of(lease, 2, unqueued=["7-1", "7-3", "9-9"]))
    assert broker.read_queue(0) == [queued[1], queued[3]]
    assert broker.read_queue(0, "7-2") == [queued[3]]
    assert broker.read_queue(0, count=1) == [queued[1]]
    assert broker.read_queue(1) == []


def test_threads_are_listed_the_newest_first(broker: Any) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, threads=[(f"t{n}", NOW_MS + n, {"s": n}) for n in range(5)]))
    settle(broker, commit_of(lease, 2, threads=[("t1", NOW_MS + 9, {"s": "x"})]))
    assert broker.list_threads(0, 0, 2) == [("t1", NOW_MS + 9), ("t4", NOW_MS + 4)]
    assert broker.list_threads(0, 3, 9) == [("t2", NOW_MS + 2), ("t0", NOW_MS)]
    assert broker.list_threads(0, 0, 0) == broker.list_threads(1, 0, 9) == []


@pytest.mark.parametrize("thread", THREADS)
def test_nothing_is_left_of_a_thread_and_nothing_else_is_lost(broker: Any, backend: Any, thread: str) -> None:
    """A run of the same name, and another thread, keep what is theirs."""
    lease, mine = lease_of(broker), owner_of_thread(thread)
    cells = [CellAppend(owner, ":c", 3, 0, owner[-1:].encode()) for owner in (mine, thread, owner_of_thread("o"))]
    blobs = [BlobPut(mine, "b1", b"x", 0), BlobPut(owner_of_thread("o"), "b2", b"y", 0)]
    before = set(backend.keys())
    settle(broker, commit_of(lease, 1, cells=cells, blobs=blobs, opened=["run1"], logs=[log("run1", 1, 1)]))
    settle(broker, commit_of(lease, 2, fields=[("run1", {"status": "open"})], thread_runs=[(thread, "run1", 0)]))
    settle(
        broker, commit_of(lease, 3, history=[(thread, row("5-0")), ("o", row("5-0"))], threads=[(thread, 1, {"a": 1})])
    )
    found, values = broker.read_values(0, [(mine, ":c", 0, 9)], ["b1"])
    assert found == [[CellRow(3, 0, mine[-1:].encode())]] and values == [b"x"]
    settle(broker, commit_of(lease, 4, threads_deleted=[thread]))
    found, values = broker.read_values(0, [(mine, ":c", 0, 9)], ["b1"])
    assert found == [[]] and values == [None]
    assert broker.load_thread(0, thread) == broker.load_run(0, "run1") == {}
    assert broker.read_history(0, thread) == broker.load_log(0, "run1") == broker.open_runs(0) == []
    assert broker.list_threads(0, 0, 9) == []
    found, values = broker.read_values(0, [(thread, ":c", 0, 9), (owner_of_thread("o"), ":c", 0, 9)], ["b2"])
    assert [len(rows) for rows in found] == [1, 1] and values == [b"y"]
    assert ids(broker.read_history(0, "o")) == ["5-0"]
    settle(broker, commit_of(lease, 5, threads_deleted=["o"], deleted=[thread]))
    left = set(backend.keys()) - before
    assert not [key for key in left if not key.endswith((":lease", ":meta"))], left


def test_runs_of_a_thread_are_forgotten_when_they_have_expired(broker: Any) -> None:
    lease = lease_of(broker)
    later = NOW_MS + LOG_TTL_S * 1000
    settle(broker, commit_of(lease, 1, thread_runs=[("t", "old", NOW_MS), ("t", "open", 0), ("t", "new", NOW_MS + 1)]))
    settle(broker, commit_of(lease, 2, logs=[log(run, 1, 1) for run in ("old", "open", "new")]))
    settle(broker, commit_of(lease, 3, thread_runs=[("t", "now", later)]), commit_of(lease, 4, threads_deleted=["t"]))
    assert [run for run in ("old", "open", "new") if broker.load_log(0, run)] == ["old"]


def test_rows_in_the_middle_of_a_history_are_dropped(broker: Any) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, history=[("t", row(f"5-{n}")) for n in range(1, 6)] + [("u", row("5-2"))]))
    dropped = [("t", "5-2"), ("t", "5-4"), ("t", "5-5"), ("t", "9-9"), ("nobody", "5-1")]
    settle(broker, commit_of(lease, 2, history_dropped=dropped))
    assert ids(broker.read_history(0, "t")) == ["5-1", "5-3"] and ids(broker.read_history(0, "u")) == ["5-2"]
    settle(broker, commit_of(lease, 3, history=[("t", row("5-6"))]))
    assert ids(broker.read_history(0, "t")) == ["5-1", "5-3", "5-6"]


@pytest.mark.parametrize("thread", THREADS)
def test_cells_of_a_thread_are_trimmed_and_dropped(broker: Any, thread: str) -> None:
    lease, owner = lease_of(broker), owner_of_thread(thread)
    cells = [CellAppend(owner, name, n, 0 if n != 2 else 1, b"%d" % n) for name in ("a", "b") for n in (1, 2, 3)]
    blobs = [BlobPut(owner, f"x{n}", b"data", 0) for n in (1, 2)]
    settle(broker, commit_of(lease, 1, cells=cells, blobs=blobs))
    cut: Any = {"cells_trimmed": [(owner, "a", 3)], "cells_dropped": [(owner, "b")], "blobs_dropped": [(owner, "x1")]}
    settle(broker, commit_of(lease, 2, **cut))
    rows, data = broker.read_values(0, [(owner, "a", 0, 9), (owner, "b", 0, 9)], ["x1", "x2"])
    assert rows == [[CellRow(3, 0, b"3")], []] and data == [None, b"data"]


def test_runs_of_a_thread_are_told_with_their_ends(broker: Any) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, thread_runs=[("t", "r1", 0), ("t", "r2", NOW_MS), ("u", "r3", NOW_MS)]))
    assert sorted(broker.runs_of_thread(0, "t")) == [("r1", 0), ("r2", NOW_MS)]
    assert broker.runs_of_thread(0, "nobody") == []
