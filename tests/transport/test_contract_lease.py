"""Leases, tries, members, graphs, depths: who is there and who owns what, by the broker's clock alone."""

from __future__ import annotations

import pytest
from tests.transport.commits import commit_of, lease_of, settle

from drumline_transport.broker import START, Position


def test_a_lease_excludes_others_until_it_runs_out(backend):
    ours, theirs = backend.connect(), backend.connect()
    lease = lease_of(ours, nonce="A")
    assert (lease.partition, lease.nonce, lease.commit, lease.position) == (0, "A", 0, START)
    assert lease.server == ours.server_id(0)
    assert theirs.acquire(0, "B", 60_000) is None
    assert theirs.acquire(1, "B", 60_000) is not None
    assert ours.renew_leases("A", [0], 1) == [True]
    backend.elapse(2)
    taken = theirs.acquire(0, "B", 60_000)
    assert taken is not None
    assert taken.epoch > lease.epoch
    assert ours.acquire(0, "A", 60_000) is None
    assert ours.renew_leases("A", [0], 60_000) == [False]


def test_epochs_follow_redis_time_and_never_repeat(broker):
    now = broker.time_ms()
    epochs = [lease_of(broker).epoch for _ in range(5)]
    assert epochs == sorted(set(epochs))
    assert epochs[0] >= now


def test_renewing_keeps_a_lease(backend):
    ours, theirs = backend.connect(), backend.connect()
    lease_of(ours, 0, ttl_ms=1)
    lease_of(ours, 2, ttl_ms=1)
    assert ours.renew_leases("A", [0, 1, 2], 60_000) == [True, False, True]
    assert ours.renew_leases("A", [], 60_000) == []
    backend.elapse(2)
    assert theirs.acquire(0, "B", 60_000) is None


def test_a_lease_that_ran_out_but_was_not_taken_can_be_renewed(backend):
    broker = backend.connect()
    lease = lease_of(broker, ttl_ms=1)
    backend.elapse(2)
    assert broker.renew_leases("A", [0], 60_000) == [True]
    assert settle(broker, commit_of(lease, 1))[0].status == "applied"


def test_a_takeover_gets_the_committed_position_and_a_new_count(backend):
    # Given an owner that committed up to the second entry, then vanished
    first, second = backend.connect(), backend.connect()
    for i in range(3):
        first.push_inbox(0, "", b"m%d" % i)
    entries = first.read_inbox({0: START}, 10, 0)
    lease = lease_of(first, nonce="A", ttl_ms=1)
    settle(
        first,
        commit_of(lease, 1, position=entries[0].behind(START)),
        commit_of(lease, 2, position=entries[1].behind(START)),
    )
    backend.elapse(2)
    # When another takes over
    heir = lease_of(second, nonce="B")
    # Then it begins behind what was committed, with number 1
    assert (heir.position, heir.commit, heir.tries) == (entries[1].behind(START), 0, 0)
    assert [e.data for e in second.read_inbox({0: heir.position}, 10, 0)] == [b"m2"]
    assert settle(second, commit_of(heir, 1))[0].status == "applied"


def test_release_lets_another_in_at_once(backend):
    ours, theirs = backend.connect(), backend.connect()
    lease_of(ours, nonce="A")
    theirs.release(0, "B")  # not theirs: nothing happens
    assert theirs.acquire(0, "B", 60_000) is None
    ours.release(0, "A")
    assert theirs.acquire(0, "B", 60_000) is not None


def test_tries_of_an_entry_are_counted_over_takeovers(broker):
    first = lease_of(broker, nonce="A")
    assert broker.note_try(0, "A", first.epoch, "5-0") == 1
    second = lease_of(broker, nonce="A")
    assert second.tries == 1
    assert broker.note_try(0, "A", second.epoch, "5-0") == 2
    assert broker.note_try(0, "A", second.epoch, "6-0") == 1
    # An owner of the past counts nothing, a commit forgets
    assert broker.note_try(0, "A", first.epoch, "6-0") == 0
    assert broker.note_try(0, "B", second.epoch, "6-0") == 0
    settle(broker, commit_of(second, 1))
    assert lease_of(broker).tries == 0


def test_lease_owners_for_ps(backend):
    broker = backend.connect()
    assert broker.lease_owners() == []
    lease = lease_of(broker, 3, "A", 60_000)
    settle(broker, commit_of(lease, 1, position=Position("7-1", "8-2")))
    lease_of(broker, 5, "B", 60_000)
    broker.release(5, "B")
    three, five = broker.lease_owners()
    assert three["partition"] == 3
    assert (three["owner"], three["epoch"], three["commit"]) == ("A", lease.epoch, 1)
    assert (three["position"], three["tries"]) == (("7-1", "8-2"), 0)
    assert 0 < three["remaining_ms"] <= 60_000
    assert (five["partition"], five["owner"]) == (5, "")
    assert five["remaining_ms"] < 0


@pytest.mark.parametrize("kind", ["workers", "coordinators"])
def test_members_have_an_age_by_the_brokers_clock(backend, kind):
    broker = backend.connect()
    assert broker.members(kind) == {}
    broker.beat(kind, "one", b"info with spaces \x00")
    backend.elapse(20)
    broker.beat(kind, "two", b"")
    found = broker.members(kind)
    assert {name: info for name, (info, _) in found.items()} == {
        "one": b"info with spaces \x00",
        "two": b"",
    }
    assert found["one"][1] >= 20
    assert 0 <= found["two"][1] < found["one"][1]
    broker.beat(kind, "one", b"again")
    assert broker.members(kind)["one"][0] == b"again"
    broker.leave(kind, "one")
    broker.leave(kind, "never was")
    assert set(broker.members(kind)) == {"two"}


def test_members_silent_for_an_hour_are_forgotten(backend):
    broker = backend.connect()
    broker.beat("workers", "here", b"")
    if backend.memory is not None:
        broker.beat("workers", "gone", b"")
        backend.elapse(3_600_001)
        broker.beat("workers", "here", b"")
    else:
        key = f"{backend.prefix}:workers"
        backend.raw("HSET", key, "gone", f"{broker.time_ms() - 3_600_001} info", "odd", "rubbish")
    assert set(broker.members("workers")) == {"here"}
    if backend.memory is None:
        assert backend.raw("HKEYS", key) == [b"here"]


def test_graphs(broker):
    assert broker.graphs() == {}
    broker.put_graph("chat", b"1")
    broker.put_graph("chat", b"2")
    broker.put_graph("agent", b"\xff")
    assert broker.graphs() == {"chat": b"2", "agent": b"\xff"}


def test_queue_depths(broker):
    broker.ensure_pool("a")
    lease = lease_of(broker)
    from tests.transport.commits import task

    tasks = [task("r", f"s{i}", pool="a") for i in range(5)] + [task("r", "n", pool="no group")]
    settle(broker, commit_of(lease, 1, tasks=tasks))
    taken = broker.take(["a"], "w", 2, 0)
    assert len(taken) == 2
    assert broker.queue_depths(["a", "no group", "unknown"]) == {
        "a": (3, 2),
        "no group": (1, 0),
        "unknown": (0, 0),
    }
    broker.publish([], [("a", taken[0].id)])
    assert broker.queue_depths(["a"]) == {"a": (3, 1)}
    assert broker.queue_depths([]) == {}


def test_a_look_in_numbers(backend):
    from tests.transport.commits import task

    broker = backend.connect()
    broker.ensure_pool("a")
    lease = lease_of(broker, ttl_ms=60_000)
    tasks = [task("r", f"s{i}", pool="a") for i in range(3)] + [task("r", "n", pool="no group")]
    settle(broker, commit_of(lease, 1, tasks=tasks, opened=["r"], waiting=[("r", True)]))
    broker.push_inbox(0, "r", b"m")
    broker.submit(0, "r", b"m")
    broker.take(["a"], "w", 1, 0)
    backend.elapse(40)
    look = broker.measure(["a", "no group", "unknown"])
    first, other = look.partitions[0], look.partitions[1]
    assert (first.is_held, first.inbox, first.open_runs, first.waiting_runs, first.dead) == (True, 2, 1, 1, 0)
    assert (other.is_held, other.inbox, other.open_runs, other.waiting_runs, other.dead) == (False, 0, 0, 0, 0)
    assert sorted(look.partitions) == list(range(broker.partitions))
    assert {pool: (row.waiting, row.running) for pool, row in look.pools.items()} == {
        "a": (2, 1),
        "no group": (1, 0),
        "unknown": (0, 0),
    }
    assert look.pools["a"].oldest_wait_ms >= 40 and look.pools["no group"].oldest_wait_ms >= 40
    assert look.pools["unknown"].oldest_wait_ms == 0
    # When all that waits is taken, nothing waits, however long it has been there
    broker.take(["a"], "w", 9, 0)
    assert broker.measure(["a"]).pools["a"].oldest_wait_ms == 0


def test_a_lease_that_ran_out_is_held_by_nobody(backend):
    broker = backend.connect()
    lease_of(broker, ttl_ms=1)
    backend.elapse(2)
    assert not broker.measure([]).partitions[0].is_held
