"""Many inboxes of one server are read as one: what is lively and what is quiet is seen at once, and named seldom."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.servers import wait_until
from tests.transport.test_real_servers import blocked, clients, meanwhile

from drumline_protocol.errors import NoBroker
from drumline_transport import inbox_reader
from drumline_transport.broker import REQUESTS, START
from drumline_transport.connection import pack
from drumline_transport.errors import ServerError
from drumline_transport.watches import Watch

PARTITIONS = 16
#: longer than any test waits
FOR_EVER_MS = 60_000


class Follower:
    """Reads on from entry to entry, as a coordinator does."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.after = dict.fromkeys(range(PARTITIONS), START)

    def read(self, block_ms: int = FOR_EVER_MS) -> list[tuple[int, bytes]]:
        entries = self.broker.read_inbox(self.after, 10, block_ms)
        for entry in entries:
            self.after[entry.partition] = entry.behind(self.after[entry.partition])
        return [(entry.partition, entry.data) for entry in entries]

    def read_something(self) -> list[tuple[int, bytes]]:
        """A wait may end early with nothing: then it is begun again."""
        while not (found := self.read()):
            pass
        return found


@pytest.fixture
def follower(real_backend):
    return Follower(real_backend.connect(partitions=PARTITIONS))


@pytest.fixture
def named(monkeypatch):
    """How many partitions each read has named. None becomes quiet, and no read ends by itself.

    Clusters that other tests have left running in this process read as well, of fewer partitions.
    """
    monkeypatch.setattr(inbox_reader, "QUIET_AFTER_S", 1_000.0)
    monkeypatch.setattr(inbox_reader, "STANDING_MS", FOR_EVER_MS)
    found: list[int] = []
    genuine = inbox_reader.InboxReader._packed

    def packed(self, after, count, block_ms):
        if len(self._sources()) == 2 * PARTITIONS:
            found.append(len(after))
        return genuine(self, after, count, block_ms)

    monkeypatch.setattr(inbox_reader.InboxReader, "_packed", packed)
    return found


def test_what_is_lively_is_read_alone_and_an_entry_of_a_quiet_one_wakes_the_reader(real_backend, follower, named):
    other = real_backend.connect(partitions=PARTITIONS)
    for lively in (3, 5):  # one run, and then another one
        other.push_inbox(lively, "", b"first")
        assert follower.read_something() == [(lively, b"first")]
        del named[:]
        for n in range(20):
            other.push_inbox(lively, "", b"%d" % n)
            assert follower.read_something() == [(lively, b"%d" % n)]
        assert max(named[1:]) <= 2, "the first of them asks for the standing read again"
    for quiet in (9, 3, 9, 11, 12, 5):
        pushed = meanwhile(real_backend, follower.read, lambda p=quiet: other.push_inbox(p, "", b"x"))
        assert pushed == [(quiet, b"x")]


def test_what_has_become_quiet_is_named_no_more(real_backend, follower, named, monkeypatch):
    monkeypatch.setattr(inbox_reader, "QUIET_AFTER_S", 0.0)
    monkeypatch.setattr(inbox_reader, "STANDING_MS", 1)
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"x")
    assert follower.read_something() == [(3, b"x")]
    del named[:]
    assert follower.read(20) == []
    assert named[0] == PARTITIONS


def test_a_read_that_does_not_wait_brings_all_that_is_there(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"x")
    assert follower.read_something() == [(3, b"x")]
    assert follower.read(20) == []
    for p in (3, 7):
        other.push_inbox(p, "", b"y")
    assert sorted(follower.read(0)) == [(3, b"y"), (7, b"y")]
    assert follower.read(20) == [], "the standing read has brought some of them too"


def test_closing_ends_the_wait_of_reads_that_stand(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"x")
    assert follower.read_something() == [(3, b"x")]
    with pytest.raises(NoBroker):
        meanwhile(real_backend, follower.read_something, follower.broker.close)


def test_a_partition_that_is_leased_or_lost_while_a_read_stands(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    del follower.after[7]
    other.push_inbox(7, "", b"before")
    for n in range(2):
        other.push_inbox(3, "", b"%d" % n)
        assert follower.read_something() == [(3, b"%d" % n)]
    lost = follower.after.pop(3)
    other.push_inbox(3, "", b"nobody's")
    assert follower.read(50) == []
    follower.after[7] = START
    assert follower.read_something() == [(7, b"before")]
    follower.after[3] = lost
    assert follower.read_something() == [(3, b"nobody's")]
    follower.after[7] = START  # leased again: it begins where its last commit stands
    assert follower.read_something() == [(7, b"before")]


def test_both_streams_of_a_quiet_partition_are_read(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"first")
    assert follower.read_something() == [(3, b"first")]
    other.submit(5, "r", b"asked")
    [entry] = follower.broker.read_inbox(follower.after, 10, FOR_EVER_MS)
    assert (entry.partition, entry.source, entry.data) == (5, REQUESTS, b"asked")


def test_reads_whose_connections_are_lost_are_asked_again(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    for n in range(3):
        other.push_inbox(3, "", b"%d" % n)
        assert follower.read_something() == [(3, b"%d" % n)]
    for number in clients(real_backend, "inbox"):
        real_backend.raw("CLIENT", "KILL", "ID", number)
    other.push_inbox(9, "", b"after")
    assert follower.read_something() == [(9, b"after")]
    other.push_inbox(3, "", b"too")
    assert follower.read_something() == [(3, b"too")]


@pytest.mark.usefixtures("named")
def test_a_standing_read_that_is_lost_while_it_is_waited_for(real_backend, follower):
    """It alone: the read of what is lively has another connection."""
    other = real_backend.connect(partitions=PARTITIONS)
    waiting = threading.Thread(target=follower.read)
    waiting.start()
    wait_until(lambda: blocked(real_backend) == 1)
    [number] = clients(real_backend, "inbox")
    real_backend.raw("CLIENT", "KILL", "ID", number)
    wait_until(lambda: [n for n in clients(real_backend, "inbox") if n != number])
    other.push_inbox(9, "", b"after")
    waiting.join(10)
    assert not waiting.is_alive()


def test_who_may_not_call_reads_off_names_all_partitions(real_backend, follower, named, monkeypatch):
    """Permissions of an older cluster: an entry of a quiet partition waits once for the end of a read."""

    def forbidden(*words):
        return pack("NO-SUCH-COMMAND") if words[:2] == ("CLIENT", "UNBLOCK") else pack(*words)

    monkeypatch.setattr(inbox_reader, "pack", forbidden)
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"x")
    assert follower.read_something() == [(3, b"x")]
    late = meanwhile(real_backend, lambda: follower.read(500), lambda: other.push_inbox(9, "", b"y"))
    assert late == [(9, b"y")]
    del named[:]
    assert follower.read(20) == []
    assert named == [PARTITIONS]
    assert blocked(real_backend) == 0


def test_a_stream_that_is_none_is_told_while_a_read_stands(real_backend, follower):
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"first")
    assert follower.read_something() == [(3, b"first")]
    assert follower.read(50) == []
    del follower.after[5]
    real_backend.raw("SET", follower.broker._keys.inbox(5), "no stream")
    follower.after[5] = START
    with pytest.raises(ServerError, match="WRONGTYPE"):
        follower.read_something()
    del follower.after[5]
    other.push_inbox(3, "", b"second")
    assert follower.read_something() == [(3, b"second")]


@pytest.mark.usefixtures("named")
def test_an_answer_that_comes_in_pieces_is_waited_for(real_backend, follower, monkeypatch):
    other = real_backend.connect(partitions=PARTITIONS)
    other.push_inbox(3, "", b"x")
    assert follower.read_something() == [(3, b"x")]
    genuine, heard = Watch.hear, []

    def in_pieces(self):
        heard.append(self)
        return None if len(heard) == 1 else genuine(self)

    monkeypatch.setattr(Watch, "hear", in_pieces)
    found = meanwhile(real_backend, follower.read, lambda: other.push_inbox(9, "", b"y"))
    assert found == [(9, b"y")]
    assert len(heard) >= 2  # more on a busy machine
