"""Many inboxes of one server are read as one: what is busy and what is quiet is seen at once, and named seldom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.transport.test_real_servers import clients, meanwhile

from drumline_protocol.errors import NoBroker
from drumline_transport import inbox_reader
from drumline_transport.broker import INBOX, REQUESTS, START, Position
from drumline_transport.errors import ServerError

PARTITIONS = 16


class Follower:
    """Reads on from entry to entry, as a coordinator does."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.after = dict.fromkeys(range(PARTITIONS), START)

    def read(self, block_ms: int = 9_000) -> list[tuple[int, bytes]]:
        entries = self.broker.read_inbox(self.after, 10, block_ms)
        for entry in entries:
            inbox, requests = self.after[entry.partition]
            self.after[entry.partition] = (
                Position(entry.id, requests) if entry.source == INBOX else Position(inbox, entry.id)
            )
        return [(entry.partition, entry.data) for entry in entries]


@pytest.fixture
def follower(real_backend):
    return Follower(real_backend.connect(partitions=PARTITIONS))


@pytest.fixture
def named(monkeypatch):
    """How many partitions each read has named. None becomes quiet, however long the test takes."""
    monkeypatch.setattr(inbox_reader, "QUIET_AFTER_S", 1_000.0)
    found: list[int] = []
    genuine = inbox_reader.InboxReader._packed

    def packed(self, after, count, block_ms):
        found.append(len(after))
        return genuine(self, after, count, block_ms)

    monkeypatch.setattr(inbox_reader.InboxReader, "_packed", packed)
    return found


def test_who_is_busy_is_read_alone_and_an_entry_of_a_quiet_one_wakes_the_reader(real_backend, follower, named):
    other = real_backend.connect(partitions=PARTITIONS)
    for busy in (3, 5):  # one run, and then another one
        del named[:]
        for n in range(20):
            other.push_inbox(busy, "", b"%d" % n)
            assert follower.read() == [(busy, b"%d" % n)]
        assert sum(named) < 20 * PARTITIONS / 2
    for quiet in (9, 3, 9, 11, 12, 5):
        assert meanwhile(real_backend, follower.read, lambda p=quiet: other.push_inbox(p, "", b"x")) == [(quiet, b"x")]


def test_closing_ends_the_wait_of_reads_that_stand(real_backend, follower):
    with pytest.raises(NoBroker, match="closed"):
        meanwhile(real_backend, follower.read, follower.broker.close)


def test_a_partition_that_is_leased_or_lost_while_reads_stand(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    del follower.after[7]
    other.push_inbox(7, "", b"before")
    for n in range(2):
        other.push_inbox(3, "", b"%d" % n)
        assert follower.read() == [(3, b"%d" % n)]
    lost = follower.after.pop(3)
    other.push_inbox(3, "", b"nobody's")
    assert follower.read(50) == []
    follower.after[7] = START
    assert follower.read() == [(7, b"before")]
    follower.after[3] = lost
    assert follower.read() == [(3, b"nobody's")]
    follower.after[7] = START  # leased again: it begins where its last commit stands
    assert follower.read() == [(7, b"before")]


def test_both_streams_of_a_quiet_partition_are_read(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"first")
    assert follower.read() == [(3, b"first")]
    other.submit(5, "r", b"asked")
    [entry] = follower.broker.read_inbox(follower.after, 10, 9_000)
    assert (entry.partition, entry.source, entry.data) == (5, REQUESTS, b"asked")


def test_reads_whose_connections_are_lost_are_asked_again(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    for n in range(3):
        other.push_inbox(3, "", b"%d" % n)
        assert follower.read() == [(3, b"%d" % n)]
    for number in clients(real_backend, "inbox"):
        real_backend.raw("CLIENT", "KILL", "ID", number)
    other.push_inbox(9, "", b"after")
    assert follower.read() == [(9, b"after")]
    other.push_inbox(3, "", b"too")
    assert follower.read() == [(3, b"too")]


def test_a_stream_that_is_none_is_told_while_reads_stand(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"first")
    assert follower.read() == [(3, b"first")]
    assert follower.read(50) == []
    del follower.after[5]
    real_backend.raw("SET", follower.broker._keys.inbox(5), "no stream")
    follower.after[5] = START
    with pytest.raises(ServerError, match="WRONGTYPE"):
        follower.read()
    del follower.after[5]
    other.push_inbox(3, "", b"second")
    assert follower.read() == [(3, b"second")]
