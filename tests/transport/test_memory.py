"""What its owner can do to the double that no contract speaks of: refuse writes, restart, move the clock."""

from __future__ import annotations

import pytest
from tests.transport.commits import commit_of, lease_of, log, statuses

from drumline_protocol.errors import NoBroker
from drumline_transport.broker import START
from drumline_transport.errors import BrokerRefuses
from drumline_transport.memory import MemoryBroker, MemoryServer


def test_while_it_refuses_commits_wait_and_other_writes_raise():
    server = MemoryServer()
    broker = MemoryBroker(server)
    lease = lease_of(broker)
    server.refusing = "OOM full"
    broker.send_commit(commit_of(lease, 1, logs=[log("r", 1, 1)]))
    assert broker.poll_commits() == []
    assert (broker.outstanding, broker.stalled) == (1, "commits wait: OOM full")
    for write in (
        lambda: broker.push_inbox(0, "", b""),
        lambda: broker.publish([(0, "", b"")], []),
        lambda: broker.beat("workers", "w", b""),
        lambda: broker.acquire(1, "A", 1),
    ):
        with pytest.raises(BrokerRefuses, match="OOM full"):
            write()
    assert broker.load_log(0, "r") == []
    server.refusing = ""
    assert statuses(broker.poll_commits()) == [(1, "applied")]


def test_a_restart_shows_in_the_server_id():
    server = MemoryServer(partitions=2)
    broker = MemoryBroker(server)
    lease = lease_of(broker)
    assert broker.partitions == 2
    server.restart()
    assert broker.server_id(0) != lease.server


def test_a_closed_broker_says_so_and_leaves_others_alone():
    server = MemoryServer()
    one, two = MemoryBroker(server), MemoryBroker(server)
    one.close()
    with pytest.raises(NoBroker, match="closed"):
        one.time_ms()
    assert two.time_ms() == server.now_ms


def test_the_clock_is_the_owners():
    server = MemoryServer(now_ms=1000)
    broker = MemoryBroker(server)
    broker.push_inbox(0, "", b"a")
    broker.push_inbox(0, "", b"b")
    server.now_ms = 500  # a step back: ids still ascend
    broker.push_inbox(0, "", b"c")
    assert [e.id for e in broker.read_inbox({0: START}, 9, 0)] == ["1000-0", "1000-1", "1000-2"]
