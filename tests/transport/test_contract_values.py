"""Cells and blobs on every broker: versions as they were written, read in one trip, gone with what names them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.transport.commits import commit_of, lease_of, log, settle, statuses, task

from drumline_protocol.cells import CellRow
from drumline_protocol.limits import BLOB_UNNAMED_TTL_S, READ_NAMES_MAX, READ_ROWS_MAX
from drumline_transport.broker import START, BlobPut, CellAppend, Heard, HistoryRow, Position, TaskAppend
from drumline_transport.redis_commits import pack_commit

#: names that a key could be taken apart at wrongly
RUNS = ["r", "a:b", "a%3Ab", "%", "\u00e9 {x} *"]


def cell(version: int, parent: int, data: bytes = b"data", *, run: str = "r", name: str = ":messages") -> CellAppend:
    return CellAppend(run, name, version, parent, data)


def rows(broker: Any, run: str = "r", name: str = ":messages", after: int = 0, upto: int = 10**9) -> list[CellRow]:
    [found], _ = broker.read_values(0, [(run, name, after, upto)], [])
    return list(found)


def keys_with(backend: Any, *words: str) -> list[str]:
    """Keys of partition 0 whose kind is one of `words`; of the double what stands for them."""
    if backend.memory is None:
        tag = f"{{{backend.prefix}:0}}:"
        return [key for key in sorted(backend.keys()) if key.startswith(tuple(tag + word for word in words))]
    part = backend.memory.partition(0)
    kinds = {"cells": part.cells, "blob": part.blobs, "run": part.runs, "log": part.logs, "waiting": part.waiting}
    return [str(name) for word in words for name in kinds[word]]


@pytest.mark.parametrize("run", RUNS)
def test_versions_are_read_as_they_were_written(broker: Any, run: str) -> None:
    lease = lease_of(broker)
    first, second, third = (cell(v, p, b"%d" % v, run=run) for v, p in ((3, 0), (5, 3), (9, 5)))
    settle(broker, commit_of(lease, 1, cells=[first, second]), commit_of(lease, 2, cells=[third]))
    wanted = [CellRow(3, 0, b"3"), CellRow(5, 3, b"5"), CellRow(9, 5, b"9")]
    assert rows(broker, run) == wanted
    assert rows(broker, run, after=3, upto=8) == wanted[1:2]
    assert rows(broker, run, after=9) == rows(broker, "nobody") == []
    assert broker.load_run(0, run) == {"c::messages": b""}


def test_cells_of_runs_and_graphs_do_not_mix(broker: Any) -> None:
    lease = lease_of(broker)
    mine = [("a", "b:1:x"), ("a:b", "1:x"), ("a:b:1", ":x"), ("a", ":x"), ("a", "b:1|c:2:x")]
    settle(broker, commit_of(lease, 1, cells=[cell(1, 0, b"%d" % i, run=r, name=n) for i, (r, n) in enumerate(mine)]))
    found, _ = broker.read_values(0, [(r, n, 0, 9) for r, n in mine], [])
    assert [[row.data for row in each] for each in found] == [[b"%d" % i] for i in range(len(mine))]


def test_one_read_brings_cells_and_blobs_also_those_that_are_gone(broker: Any) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, cells=[cell(1, 0), cell(2, 1)], blobs=[BlobPut("r", "b1", b"x", 60)]))
    broker.put_blobs([(0, "b2", b""), (1, "elsewhere", b"y")])
    found, blobs = broker.read_values(
        0, [("r", ":messages", 1, 2), ("r", "none", 0, 9)], ["b1", "none", "b2", "elsewhere"]
    )
    assert [[row.version for row in each] for each in found] == [[2], []]
    assert blobs == [b"x", None, b"", None]
    assert broker.read_values(0, [], []) == ([], [])


def test_more_names_and_more_versions_than_one_trip_brings(broker: Any) -> None:
    lease = lease_of(broker)
    many = READ_ROWS_MAX + 3
    settle(broker, commit_of(lease, 1, cells=[cell(v, v - 1, b"%d" % v) for v in range(1, many + 1)]))
    broker.put_blobs([(0, f"b{i}", b"%d" % i) for i in range(READ_NAMES_MAX + 2)])
    found, blobs = broker.read_values(0, [("r", ":messages", 0, many)], [f"b{i}" for i in range(READ_NAMES_MAX + 2)])
    assert [row.version for row in found[0]] == list(range(1, many + 1))
    assert blobs == [b"%d" % i for i in range(READ_NAMES_MAX + 2)]


@pytest.mark.parametrize("version", [5, 4, 2])
def test_a_version_that_does_not_ascend_diverges_and_changes_nothing(broker: Any, version: int) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, cells=[cell(5, 0)]))
    parts: dict[str, Any] = {"logs": [log("q", 1, 1)], "tasks": [task("r", "s")], "waiting": [("r", True)]}
    [reply] = settle(broker, commit_of(lease, 2, cells=[cell(7, 0, name=":other"), cell(version, 1)], **parts))
    assert reply.status == "diverged" and "already holds" in reply.detail
    assert rows(broker, name=":other") == [] and broker.load_log(0, "q") == []
    assert broker.load_run(0, "r") == {"c::messages": b""} and broker.waiting_runs(0) == []
    assert statuses(settle(broker, commit_of(lease, 2, cells=[cell(6, 5)]))) == [(2, "applied")]


@pytest.mark.parametrize("version", [5, 4, 1])
def test_a_base_takes_the_place_of_what_a_run_of_the_same_id_has_left(broker: Any, version: int) -> None:
    # Given a run whose record somebody deleted, and its client asks for it once more
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, cells=[cell(4, 0), cell(5, 4)]))
    assert statuses(settle(broker, commit_of(lease, 2, cells=[cell(version, 0)]))) == [(2, "applied")]
    assert [(row.version, row.parent) for row in rows(broker)] == [(version, 0)]


@pytest.mark.parametrize("parent", [0, 5])
def test_a_cell_that_somebody_has_tampered_with_stops_no_commit(backend: Any, broker: Any, parent: int) -> None:
    # Given a last id from the future, without an entry that would show it
    if backend.name == "memory":
        pytest.skip("nobody but its owner writes into the double")
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, cells=[cell(5, 0)]))
    key = broker._keys.cells(0, "r", ":messages")
    backend.raw("XADD", key, "99-0", "x", "y")
    backend.raw("XDEL", key, "99-0")
    assert statuses(settle(broker, commit_of(lease, 2, cells=[cell(6, parent)]))) == [(2, "applied")]
    assert [(row.version, row.parent) for row in rows(broker)] == [(6, parent)]


@pytest.mark.parametrize("versions", [[(2, 0), (1, 0)], [(1, 0), (1, 0)], [(2, 2)], [(0, 0)], [(1, -1)]])
def test_cells_that_no_server_could_apply_are_refused_before_sending(backend: Any, versions: Any) -> None:
    if backend.name == "memory":
        pytest.skip("the double trusts its caller here")
    broker = backend.connect()
    with pytest.raises(ValueError, match="does not come behind version"):
        broker.send_commit(commit_of(lease_of(broker), 1, cells=[cell(*version) for version in versions]))
    assert broker.outstanding == 0


@pytest.mark.parametrize("kind", ["cells", "waiting"])
def test_a_key_of_another_type_diverges_before_anything_is_written(backend: Any, kind: str) -> None:
    if backend.memory is not None:
        pytest.skip("the double has no types")
    broker = backend.connect()
    lease = lease_of(broker)
    key = f"{{{backend.prefix}:0}}:" + ("cells:r::messages" if kind == "cells" else "waiting")
    backend.raw("SET", key, "junk")
    parts: dict[str, Any] = {"cells": [cell(1, 0)]} if kind == "cells" else {"waiting": [("r", True)]}
    for number, more in ((1, parts), (1, {"cells_trimmed": [("r", ":messages", 3)]} if kind == "cells" else parts)):
        [reply] = settle(broker, commit_of(lease, number, logs=[log("r", 1, 1)], **more))
        assert reply.status == "diverged" and "WRONGTYPE" in reply.detail
    assert broker.load_log(0, "r") == []
    assert rows(broker) == [], "and it reads as none"
    # A run that closes or is deleted is none the worse for it.
    settle(broker, commit_of(lease, 1, closed=[("r", 60)]), commit_of(lease, 2, deleted=["r"]))
    assert backend.raw("DEL", key) == 1


def test_old_versions_are_trimmed_and_new_ones_follow(backend: Any) -> None:
    broker = backend.connect()
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, cells=[cell(1, 0), cell(2, 1)]))
    settle(broker, commit_of(lease, 2, cells=[cell(4, 0)], cells_trimmed=[("r", ":messages", 4), ("r", "none", 1)]))
    assert [row.version for row in rows(broker)] == [4]
    settle(broker, commit_of(lease, 3, cells_trimmed=[("r", ":messages", 9)]))
    assert keys_with(backend, "cells", "run") == []
    # Trimmed wholly it is as if it had never been: no id of it is remembered.
    assert statuses(settle(broker, commit_of(lease, 4, cells=[cell(2, 0)]))) == [(4, "applied")]
    settle(broker, commit_of(lease, 5, cells_dropped=[("r", ":messages"), ("r", "none"), ("nobody", "x")]))
    assert keys_with(backend, "cells", "run") == []


def test_runs_that_wait(backend: Any) -> None:
    broker = backend.connect()
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, waiting=[(run, True) for run in "dcba"], opened=list("abcd")))
    assert broker.waiting_runs(0) == list("abcd") and broker.waiting_runs(1) == []
    settle(broker, commit_of(lease, 2, waiting=[("a", False), ("b", True), ("x", False)]))
    assert broker.waiting_runs(0) == list("bcd")
    settle(broker, commit_of(lease, 3, closed=[("b", 60)], deleted=["c"], waiting=[("b", True)]))
    assert broker.waiting_runs(0) == ["d"]
    settle(broker, commit_of(lease, 4, closed=[("d", 60)]))
    assert keys_with(backend, "waiting") == []


# -- blobs that workers put -------------------------------------------------------------------------


def ttl(backend: Any, kind: str, name: str) -> int | None:
    """Seconds that a value has left; None: it stays; -2: it is not there."""
    if backend.memory is None:
        left = backend.raw("TTL", f"{{{backend.prefix}:0}}:{kind}:{name}")
        return None if left == -1 else left
    part = backend.memory.partition(0)
    found = part.blobs if kind == "blob" else part.cells
    owner, _, cell_name = name.partition(":")
    key: Any = name if kind == "blob" else (owner, cell_name)
    if key not in found:
        return -2
    until = part.expiry.get(("cell" if kind == "cells" else kind, key))
    return None if until is None else (until - backend.memory.now_ms) // 1000


def near(left: int | None, whole: int) -> bool:
    return left is not None and whole - 5 <= left <= whole


def test_a_blob_of_a_worker_vanishes_unless_a_commit_keeps_it(backend: Any) -> None:
    broker = backend.connect()
    lease = lease_of(broker)
    broker.put_blobs([(0, "kept", b"a"), (0, "left", b"b")])
    assert near(ttl(backend, "blob", "kept"), BLOB_UNNAMED_TTL_S) and near(
        ttl(backend, "blob", "left"), BLOB_UNNAMED_TTL_S
    )
    settle(broker, commit_of(lease, 1, blobs_kept=[("r", "kept")]))
    assert ttl(backend, "blob", "kept") is None
    assert broker.load_run(0, "r") == {"b:kept": b""}
    # A put that comes again, whose reply was lost, changes nothing.
    broker.put_blobs([(0, "kept", b"other"), (0, "left", b"other")])
    assert ttl(backend, "blob", "kept") is None
    assert broker.read_values(0, [], ["kept", "left"])[1] == [b"a", b"b"]
    if backend.memory is not None:
        backend.elapse(BLOB_UNNAMED_TTL_S * 1000)
        assert broker.read_values(0, [], ["kept", "left"])[1] == [b"a", None]


def test_a_blob_that_is_gone_when_its_commit_comes_fails_nothing(backend: Any) -> None:
    broker = backend.connect()
    lease = lease_of(broker)
    parts: dict[str, Any] = {"blobs_kept": [("r", "gone")], "logs": [log("r", 1, 1)], "opened": ["r"]}
    assert statuses(settle(broker, commit_of(lease, 1, **parts))) == [(1, "applied")]
    assert broker.read_values(0, [], ["gone"])[1] == [None]
    settle(broker, commit_of(lease, 2, closed=[("r", 60)]))
    settle(broker, commit_of(lease, 3, deleted=["r"]))
    assert keys_with(backend, "blob", "run", "log") == []


def test_many_and_large_blobs_in_one_put(broker: Any) -> None:
    large = b"x" * (5 * 1024 * 1024)
    blobs = [(0, f"large {i}", large) for i in range(4)] + [(1, f"small {i}", b"%d" % i) for i in range(1000)]
    broker.put_blobs(blobs)
    broker.put_blobs([])
    assert broker.read_values(0, [], [f"large {i}" for i in range(4)])[1] == [large] * 4
    assert broker.read_values(1, [], [f"small {i}" for i in range(1000)])[1] == [b"%d" % i for i in range(1000)]


# -- the end of a run -------------------------------------------------------------------------------


def a_run_with_values(backend: Any, run: str) -> tuple[Any, Any]:
    broker = backend.connect()
    lease = lease_of(broker)
    broker.put_blobs([(0, f"{run}:1", b"a"), (0, f"{run}:2", b"b")])
    cells = [cell(1, 0, run=run), cell(2, 1, run=run), cell(3, 0, run=run, name="sub:1:x")]
    parts: dict[str, Any] = {"logs": [log(run, 1, 1)], "fields": [(run, {"status": "open"})], "opened": [run]}
    puts = [BlobPut(run, f"{run}:3", b"c", 7 * 86_400), BlobPut(run, f"{run}:4", b"d", 0)]
    kept = [(run, f"{run}:1")]
    settle(broker, commit_of(lease, 1, cells=cells, blobs=puts, blobs_kept=kept, waiting=[(run, True)], **parts))
    return broker, lease


@pytest.mark.parametrize("run", RUNS)
def test_with_a_run_that_closes_all_expires_that_its_record_names(backend: Any, run: str) -> None:
    broker, lease = a_run_with_values(backend, run)
    # What its last commit itself names is among it.
    last: dict[str, Any] = {"cells": [cell(9, 0, run=run, name=":late")], "blobs_kept": [(run, f"{run}:2")]}
    settle(broker, commit_of(lease, 2, closed=[(run, 3600)], logs=[log(run, 2, 2)], **last))
    assert rows(broker, run) != [] and broker.read_values(0, [], [f"{run}:{i}" for i in (1, 2, 3, 4)])[1] == [
        b"a",
        b"b",
        b"c",
        b"d",
    ]
    if backend.memory is None:
        found = keys_with(backend, "cells", "blob", "run", "log")
        assert len(found) == 3 + 4 + 2
        assert all(near(backend.raw("TTL", key), 3600) for key in found)
    else:
        backend.elapse(3_600_000)
        assert keys_with(backend, "cells", "blob", "run", "log") == []


def test_a_run_that_is_kept_for_ever_keeps_its_values(backend: Any) -> None:
    broker, lease = a_run_with_values(backend, "r")
    settle(broker, commit_of(lease, 2, closed=[("r", 0)]))
    assert ttl(backend, "cells", "r::messages") is None and ttl(backend, "blob", "r:1") is None


@pytest.mark.parametrize("run", RUNS)
def test_of_a_deleted_run_no_value_stays(backend: Any, run: str) -> None:
    broker, lease = a_run_with_values(backend, run)
    settle(broker, commit_of(lease, 2, cells=[cell(1, 0, run="other")], blobs=[BlobPut("other", "o", b"x", 60)]))
    settle(broker, commit_of(lease, 3, deleted=[run]))
    left = keys_with(backend, "cells", "blob", "run", "log", "waiting")
    mine = [key for key in left if "other" not in key and not key.endswith("blob:o") and key != "o"]
    assert [key for key in mine if not key.endswith(f"{run}:2")] == [], "what no commit has named vanishes by itself"
    assert near(ttl(backend, "blob", f"{run}:2"), BLOB_UNNAMED_TTL_S)
    assert rows(broker, "other") != []


def test_a_dropped_blob_is_not_named_any_more(broker: Any) -> None:
    lease = lease_of(broker)
    broker.put_blobs([(0, "b", b"x")])
    settle(broker, commit_of(lease, 1, blobs_kept=[("r", "b")]))
    settle(broker, commit_of(lease, 2, blobs_dropped=[("r", "b"), ("r", "none")]))
    assert broker.load_run(0, "r") == {} and broker.read_values(0, [], ["b"])[1] == [None]


def test_ten_thousand_values_of_one_run(backend: Any) -> None:
    """No list of them may be too long for the script."""
    broker = backend.connect()
    lease = lease_of(broker)
    names = [f"b{i}" for i in range(10_000)]
    broker.put_blobs([(0, name, b"x") for name in names])
    cells = [cell(i + 1, 0, name=f":c{i}") for i in range(1000)]
    settle(broker, commit_of(lease, 1, blobs_kept=[("r", name) for name in names], cells=cells, opened=["r"]))
    assert len(broker.load_run(0, "r")) == 11_000
    assert statuses(settle(broker, commit_of(lease, 2, closed=[("r", 60)]))) == [(2, "applied")]
    assert near(ttl(backend, "blob", "b9999"), 60) and near(ttl(backend, "cells", "r::c999"), 60)
    assert statuses(settle(broker, commit_of(lease, 3, deleted=["r"]))) == [(3, "applied")]
    assert keys_with(backend, "cells", "blob", "run") == []


# -- what the server has need not be sent again ------------------------------------------------------


def told(broker: Any, *parts: bytes) -> list[Heard]:
    """Entries of the inbox, each with a part that a log is to tell again."""
    broker.publish([(0, "r", b"head " + part + b" tail") for part in parts], [])
    entries = broker.read_inbox({0: Position("0-0", "0-0")}, 100, 0)
    return [Heard("r", entry.id, entry.data, part) for entry, part in zip(entries, parts, strict=True)]


def test_what_lies_in_the_inbox_becomes_part_of_logs_cells_and_tasks(backend: Any, broker: Any) -> None:
    lease = lease_of(broker)
    one, two = bytes(range(256)) * 3, b"$5\r\n" * 100
    heard = told(broker, one, b"dropped " * 40, two)
    asked = bytes(reversed(one))
    broker.submit(0, "r", b"please " + asked + b", thank you")
    [request] = [each for each in broker.read_inbox({0: START}, 100, 0) if each.source == "requests"]
    heard.append(Heard("r", request.id, request.data, asked, request.source))
    first = log("r", 1, 3, b"<" + one + b"|" + two + b">" + asked)
    second = log("r", 4, 4, b"nothing of it")
    grown = cell(2, 0, b"\x92\xa1+" + two)
    argument = TaskAppend("r", "t:1", "default", b"do " + one[9:300] + b" now", "digest", one[9:300])
    alone = TaskAppend("r", "t:2", "default", b"do not", "digest", b"in no log")
    history = [
        HistoryRow(f"5-{n}", "w", "", "c", b"w" + part + b"!", part) for n, part in enumerate((two, b"in no log"))
    ]
    parts: dict[str, Any] = {"tasks": [argument, alone], "history": [("t", row) for row in history]}
    commit = commit_of(lease, 1, logs=[first, second], cells=[grown], heard=heard, **parts)
    assert statuses(settle(broker, commit)) == [(1, "applied")]
    assert [entry.data for entry in broker.load_log(0, "r")] == [first.data, second.data]
    assert rows(broker) == [CellRow(2, 0, grown.data)]
    assert broker.read_history(0, "t") == history
    assert [found.data for found in broker.take(["default"], "w", 5, 0)] == [argument.data, alone.data]
    if backend.name != "memory":
        packed = pack_commit(commit, broker._keys)
        assert packed.count(one[9:300]) == packed.count(two) == packed.count(asked[9:300]) == 0


def test_a_log_is_not_made_of_an_entry_that_is_gone(backend: Any, broker: Any) -> None:
    """Somebody has deleted it: nothing is changed, and the coordinator hears of it."""
    if backend.name == "memory":
        pytest.skip("the double is given the whole entry")
    lease = lease_of(broker)
    [heard] = told(broker, b"x" * 500)
    backend.raw("XDEL", broker._keys.inbox(0), heard.id)
    commit = commit_of(lease, 1, logs=[log("r", 1, 1, b"<" + heard.part + b">")], cells=[cell(1, 0)], heard=[heard])
    [reply] = settle(broker, commit)
    assert (reply.status, heard.id in reply.detail) == ("diverged", True)
    assert broker.load_log(0, "r") == [] and rows(broker) == []


def test_what_all_tasks_of_a_run_have_in_common_is_taken_from_its_record(backend: Any, broker: Any) -> None:
    lease = lease_of(broker)
    common, argument = b"$3\r\ncommon\xff" * 20, bytes(range(256))
    [heard] = told(broker, argument)
    fields = [("r", {"shared": common, "status": "open"})]
    first = TaskAppend("r", "t:1", "default", b"one " + common + b" more", "digest", b"", common)
    assert statuses(settle(broker, commit_of(lease, 1, fields=fields, tasks=[first]))) == [(1, "applied")]
    second = TaskAppend("r", "t:2", "default", common + b" two", "digest", b"in no log", common)
    third = TaskAppend("r", "t:3", "default", b"3" + common + b"<" + argument + b">", "digest", argument, common)
    other = TaskAppend("r", "t:4", "default", b"of another kind", "digest", b"", common)
    commit = commit_of(
        lease, 2, logs=[log("r", 1, 1, b"[" + argument + b"]")], tasks=[second, third, other], heard=[heard]
    )
    assert statuses(settle(broker, commit)) == [(2, "applied")]
    tasks = [first, second, third, other]
    assert [found.data for found in broker.take(["default"], "w", 9, 0)] == [task.data for task in tasks]
    if backend.name != "memory":
        packed = pack_commit(commit, broker._keys)
        assert packed.count(common) == packed.count(argument) == 0
        # And nothing is done if the record is gone
        backend.raw("DEL", broker._keys.run(0, "r"))
        [reply] = settle(broker, commit_of(lease, 3, logs=[log("r", 2, 2)], tasks=[second]))
        assert (reply.status, "in common" in reply.detail) == ("diverged", True)
        assert len(broker.load_log(0, "r")) == 1
