"""What of a commit is not sent, because the server has it."""

from __future__ import annotations

import hiredis

from drumline_protocol.keys import Keys, PartitionKeys, owner_of_thread
from drumline_transport.broker import CellAppend, Commit, Heard, HistoryRow, LogAppend, Position, TaskAppend
from drumline_transport.log_words import log_words
from drumline_transport.redis_commits import pack_commit

KEYS = Keys("test")


def words_of(packed: bytes) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(packed)
    found: list[bytes] = reader.gets()
    return found


def commit(position: Position) -> Commit:
    return Commit(3, "N", 7, 2, position)


def test_a_position_is_sent_when_it_has_moved() -> None:
    before = Position("5-1", "4-0")
    for now, sent in (
        (before, [b"", b""]),
        (Position("6-0", "4-0"), [b"6-0", b""]),
        (Position("5-1", "9-0"), [b"", b"9-0"]),
    ):
        assert words_of(pack_commit(commit(now), KEYS, before))[-4:-2] == sent
        assert words_of(pack_commit(commit(now), KEYS))[-4:-2] == [word.encode() for word in now]


def test_an_id_is_said_once_however_many_keys_end_in_it() -> None:
    """On Redis Cluster each key is said whole: the server looks where they lie before it begins."""
    run, thread = "a run: *", "a thread"
    one = commit(Position())
    one.logs.append(LogAppend(run, 1, 1, b"facts"))
    one.cells.append(CellAppend(owner_of_thread(thread), ":c*", 1, 0, b"cell", run))
    one.history.append((thread, HistoryRow("5-0", "c", "", "", b"row")))
    one.fields.append((run, {"status": "open"}))
    one.tasks.append(TaskAppend(run, "t:1", "pool", b"do", "digest"))
    words = words_of(pack_commit(one, KEYS))
    packed = b"|".join(words)
    assert packed.count(run.encode()) == packed.count(thread.encode()) == 1
    assert words[2:4] == [b"1", b"{test:3}:lease"] and b"=test:tasks:pool" in words[11].split(b"\x01")
    one.fields.append(("what stands between ids\x01", {"status": "open"}))
    assert int(words_of(pack_commit(one, KEYS))[2]) == 8
    del one.fields[-1]
    keys = PartitionKeys("test", 3)
    words = words_of(pack_commit(one, keys))
    assert int(words[2]) == len(set(words[3 : 3 + int(words[2])])) == 7
    assert all(word.startswith(b"{test:3}:") for word in words[3:10])
    assert keys.cells(3, owner_of_thread(thread), ":c*").encode() in words[3:10]


def test_an_answer_is_taken_from_the_inbox_from_the_tasks_id_on() -> None:
    part = b"w" * 200
    told, fact = b"head of a message, task 17, worker 3: " + part, b"facts, task 17, worker 3: " + part + b" and more"
    one = commit(Position("5-1", "4-0"))
    one.logs.append(LogAppend("r", 1, 1, fact))
    one.heard.append(Heard("r", "5-1", told, part))
    words = log_words(one, KEYS, lambda _name, _kind: 2)
    assert words[0] == "I"
    tail, pieces, (sent, entry, first, last) = words[4], words[5], words[6:]
    assert (tail, pieces, entry) == (b" and more", 1, "5-1")
    assert sent == b"facts"
    assert isinstance(sent, bytes) and isinstance(first, int) and isinstance(last, int)
    assert sent + told[first - 1 : last] + b" and more" == fact
