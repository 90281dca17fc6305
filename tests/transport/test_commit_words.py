"""What of a commit is not sent, because the server has it."""

from __future__ import annotations

import hiredis

from drumline_protocol.keys import Keys
from drumline_transport.broker import Commit, Heard, LogAppend, Position
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
