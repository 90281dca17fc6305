"""Tasks and logs, on every broker: who gets an entry, when it is gone, and what a reader sees."""

from __future__ import annotations

import asyncio

import pytest
from tests.transport.commits import commit_of, lease_of, log, settle, task

from drumline_transport.broker import START
from drumline_transport.errors import BrokerRefuses


def dispatch(broker, *tasks):
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, tasks=list(tasks)))
    return lease


def test_take_shares_entries_and_keeps_to_count(broker):
    broker.ensure_pool("default")
    dispatch(broker, *(task("r", f"s{i}", b"%d" % i) for i in range(5)))
    one = broker.take(["default"], "w1", 2, 0)
    two = broker.take(["default"], "w2", 10, 0)
    assert [d.data for d in one] == [b"0", b"1"]
    assert [d.data for d in two] == [b"2", b"3", b"4"]
    assert {d.pool for d in one + two} == {"default"}
    assert broker.take(["default"], "w1", 2, 0) == []
    assert broker.take(["default"], "w1", 0, 0) == []
    assert broker.take([], "w1", 2, 0) == []


def test_take_divides_count_between_pools(broker):
    pools = ["a", "b", "c"]
    for pool in pools:
        broker.ensure_pool(pool)
    dispatch(broker, *(task("r", f"{pool}{i}", pool=pool) for pool in pools for i in range(10)))
    taken = broker.take(pools, "w", 7, 0)
    assert len(taken) == 6
    assert {d.pool for d in taken} == set(pools)


def test_a_worker_with_one_slot_serves_all_its_pools(broker):
    # Given more pools than free slots, and one pool that is never empty
    pools = ["busy", "quiet", "rare"]
    for pool in pools:
        broker.ensure_pool(pool)
    tasks = [task("r", f"b{i}", pool="busy") for i in range(10)]
    dispatch(broker, *tasks, task("r", "q", pool="quiet"), task("r", "x", pool="rare"))
    # When it takes one at a time
    taken = [broker.take(pools, "w", 1, 0) for _ in range(6)]
    # Then it never holds two, and nobody starves
    assert all(len(t) == 1 for t in taken)
    assert {t[0].pool for t in taken} == set(pools)


def test_take_makes_a_missing_group_and_finds_what_was_there(broker):
    dispatch(broker, task("r", "s", b"early", pool="new"))
    [found] = broker.take(["new"], "w", 5, 0)
    assert found.data == b"early"
    assert broker.take(["other new"], "w", 5, 0) == []
    broker.ensure_pool("new")
    broker.ensure_pool("new")
    assert broker.take(["new"], "w", 5, 0) == []


def test_publish_appends_in_order_then_acknowledges(broker):
    broker.ensure_pool("default")
    dispatch(broker, task("r", "s"))
    [taken] = broker.take(["default"], "w", 1, 0)
    broker.publish(
        [(0, "", b"event 1"), (1, "", b"other"), (0, "", b"event 2"), (0, "", b"result")], [("default", taken.id)]
    )
    assert [e.data for e in broker.read_inbox({0: START}, 10, 0)] == [
        b"event 1",
        b"event 2",
        b"result",
    ]
    assert [e.data for e in broker.read_inbox({1: START}, 10, 0)] == [b"other"]
    assert broker.queue_depths(["default"])["default"] == (0, 0)
    assert broker.renew("w", [("default", taken.id)]) == set()


def test_publish_again_repeats_entries_and_harms_nothing(broker):
    # A lost reply: the worker cannot know, so it sends all again; the machine drops repeats.
    broker.ensure_pool("default")
    dispatch(broker, task("r", "s"), task("r", "s2"))
    first, second = broker.take(["default"], "w", 2, 0)
    for _ in range(2):
        broker.publish([(0, "", b"result")], [("default", first.id)])
    assert [e.data for e in broker.read_inbox({0: START}, 10, 0)] == [b"result", b"result"]
    assert broker.renew("w", [("default", second.id)]) == {("default", second.id)}
    broker.publish([], [])
    broker.publish([(0, "", b"one")], [])


def test_publish_a_long_burst_keeps_its_order(broker):
    burst = [(0, "", b"%d" % i) for i in range(1201)] + [
        (0, "r", b"x" * 700_000),
        (0, "r", b"y" * 700_000),
        (0, "r", b"end"),
    ]
    broker.publish(burst, [("default", "1-1")])
    read, after = [], START
    while page := broker.read_inbox({0: after}, 500, 0):
        read += page
        after = page[-1].behind(after)
    assert [e.data for e in read] == [data for _, _, data in burst]


def test_read_inbox_serves_several_partitions(broker):
    broker.push_inbox(0, "", b"a")
    broker.submit(2, "", b"b")
    broker.push_inbox(2, "", b"c")
    broker.push_inbox(1, "", b"not asked for")
    entries = broker.read_inbox({0: START, 2: START, 3: START}, 10, 0)
    entries.sort(key=lambda entry: entry.partition)
    assert [(e.partition, e.data) for e in entries] == [(0, b"a"), (2, b"b"), (2, b"c")]
    # Then each stream has a position of its own, and the requests of a partition stand before the rest
    assert [e.source for e in entries] == ["inbox", "requests", "inbox"]
    positions = {0: START, 2: START, 3: START}
    for entry in entries:
        positions[entry.partition] = entry.behind(positions[entry.partition])
    assert broker.read_inbox(positions, 10, 0) == []
    assert broker.read_inbox({}, 10, 0) == []
    assert len(broker.read_inbox({2: START}, 1, 0)) == 2, "at most one of each stream"


def test_renew_answers_only_what_is_still_owned(broker):
    # Given entries of two workers in two pools
    for pool in ("a", "b"):
        broker.ensure_pool(pool)
    lease = dispatch(broker, task("r", "1", pool="a"), task("r", "2", pool="b"), task("r", "3", pool="a"))
    mine = broker.take(["a"], "me", 1, 0) + broker.take(["b"], "me", 1, 0)
    theirs = broker.take(["a"], "you", 1, 0)
    held = [(d.pool, d.id) for d in mine]
    assert broker.renew("me", held + [(d.pool, d.id) for d in theirs]) == set(held)
    assert broker.renew("me", []) == set()
    assert broker.renew("me", [("a", "1-1"), ("no such pool", "1-1")]) == set()
    # When one is withdrawn
    settle(broker, commit_of(lease, 2, withdrawn=[("r", "1")]))
    # Then it is not answered, and not brought back
    assert broker.renew("me", held) == {held[1]}
    assert broker.queue_depths(["a", "b"]) == {"a": (0, 1), "b": (0, 1)}


def test_renew_all_finds_what_a_consumer_owns(backend):
    # Given entries of two workers in two pools
    broker = backend.connect()
    for pool in ("a", "b"):
        broker.ensure_pool(pool)
    lease = dispatch(broker, task("r", "1", pool="a"), task("r", "2", pool="b"), task("r", "3", pool="a"))
    mine = broker.take(["a"], "me", 1, 0) + broker.take(["b"], "me", 1, 0)
    broker.take(["a"], "you", 1, 0)
    backend.elapse(300)
    # When one renews all that it owns, also in a pool that nobody has made
    assert broker.renew_all("me", ["a", "b", "no such pool"]) == 2
    # Then only the other one's entry is stale
    stale = [row.consumer for pool in ("a", "b") for row in broker.stale_tasks(pool, 200, "-", 10)[0]]
    assert stale == ["you"]
    # And what is withdrawn is not brought back
    settle(broker, commit_of(lease, 2, withdrawn=[("r", "1")]))
    assert broker.renew_all("me", ["a", "b"]) == 1
    assert broker.renew("me", [(d.pool, d.id) for d in mine]) == {(mine[1].pool, mine[1].id)}
    assert broker.renew_all("me", []) == 0


def test_an_entry_deleted_behind_our_back_is_not_owned(backend):
    # Trimmed or deleted by hand: Redis 6.2 leaves it pending, and XCLAIM would still answer for it.
    if backend.memory is not None:
        return
    broker = backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, task("r", "1", pool="a"))
    [taken] = broker.take(["a"], "me", 1, 0)
    backend.raw("XDEL", backend.tasks_key("a"), backend.entry_id(taken.id))
    assert broker.renew("me", [("a", taken.id)]) == set()
    stale, _ = broker.stale_tasks("a", 0, "-", 10)
    assert [(s.id, s.data) for s in stale] == [(taken.id, None)]


def test_the_sweep_finds_what_was_not_renewed(backend):
    broker = backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, *(task("r", f"s{i}", b"%d" % i, pool="a") for i in range(3)))
    taken = broker.take(["a"], "w", 3, 0)
    assert broker.stale_tasks("a", 50_000, "-", 10) == ([], "-")
    for delivery in taken:
        backend.age_task("a", delivery.id, "w", 60_000)
    broker.renew("w", [("a", taken[1].id)])
    stale, cursor = broker.stale_tasks("a", 50_000, "-", 10)
    assert cursor == "-"
    assert [(s.id, s.consumer, s.data) for s in stale] == [
        (taken[0].id, "w", b"0"),
        (taken[2].id, "w", b"2"),
    ]
    assert all(s.idle_ms >= 60_000 for s in stale)
    # It claims nothing: the worker still owns them all
    assert len(broker.renew("w", [("a", d.id) for d in taken])) == 3
    assert broker.stale_tasks("no such pool", 0, "-", 10) == ([], "-")


def test_idle_time_is_the_brokers(backend):
    broker = backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, task("r", "s", pool="a"))
    [taken] = broker.take(["a"], "w", 1, 0)
    backend.elapse(10)
    [stale], _ = broker.stale_tasks("a", 10, "-", 10)
    assert stale.id == taken.id
    assert stale.idle_ms >= 10


def test_dropped_tasks_are_gone_whoever_has_them(backend):
    broker = backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, task("r", "s1", pool="a"), task("r", "s2", pool="a"), task("r", "s3", pool="a"))
    one, two = broker.take(["a"], "w", 2, 0)
    broker.drop_tasks("a", [one.id, two.id])
    broker.drop_tasks("a", [one.id])
    assert broker.renew("w", [("a", one.id), ("a", two.id)]) == set()
    assert broker.stale_tasks("a", 0, "-", 10) == ([], "-")
    assert broker.queue_depths(["a"]) == {"a": (1, 0)}


def test_the_sweep_reaches_a_dead_tail_behind_a_live_head(backend):
    # Given many entries held by a live worker, and behind them those of a dead one (I11)
    broker = backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, *(task("r", f"s{i}", pool="a") for i in range(300)))
    broker.take(["a"], "live", 250, 0)
    dead = broker.take(["a"], "dead", 50, 0)
    for delivery in dead:
        backend.age_task("a", delivery.id, "dead", 60_000)
    # When the sweep goes on from where it stopped
    found, cursor, rounds = [], "-", 0
    while rounds == 0 or cursor != "-":
        stale, cursor = broker.stale_tasks("a", 50_000, cursor, 7)
        found += stale
        rounds += 1
    # Then it sees every dead entry once, and only those
    assert [s.id for s in found] == [d.id for d in dead]
    assert {s.consumer for s in found} == {"dead"}
    assert rounds == 8


def test_leaving_forgets_a_consumer_that_holds_nothing(backend):
    if not backend.real:
        return
    broker = backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, task("r", "s", pool="a"))
    broker.take(["a"], "idle", 1, 0)
    broker.take(["a"], "nothing to do", 1, 0)
    for name in ("idle", "nothing to do"):
        broker.leave("workers", name)
    names = [
        dict(zip(row[::2], row[1::2], strict=True))
        for row in backend.raw("XINFO", "CONSUMERS", backend.tasks_key("a"), "workers")
    ]
    assert [row[b"name"] for row in names] == [b"idle"]
    assert broker.queue_depths(["a"]) == {"a": (0, 1)}


def test_a_log_reader_reads_behind_a_position(broker):
    lease = lease_of(broker)
    reader = broker.log_reader(0, "r")
    assert not reader.exists()
    assert reader.read("-", 10, 0) == []
    settle(broker, commit_of(lease, 1, logs=[log("r", i, i, b"%d" % i) for i in range(1, 6)]))
    assert reader.exists()
    assert [e.data for e in reader.read("0-0", 2, 0)] == [b"1", b"2"]
    assert [e.data for e in reader.read("-", 10, 0)] == [b"1", b"2", b"3", b"4", b"5"]
    assert [e.first for e in reader.read(f"{lease.epoch}-3", 10, 0)] == [4, 5]
    # A position of an older epoch, or one that was lost in a rewind, is a place in the order too
    assert [e.first for e in reader.read(f"{lease.epoch - 1}-99", 1, 0)] == [1]
    assert reader.read(f"{lease.epoch}-99", 10, 0) == []
    reader.close()
    reader.close()


def test_a_log_longer_than_a_page_is_loaded_whole(broker):
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("r", i, i) for i in range(1, 1251)]))
    assert [e.first for e in broker.load_log(0, "r")] == list(range(1, 1251))
    assert len(broker.load_log(0, "r", after=f"{lease.epoch}-250")) == 1000
    assert len(broker.load_log(0, "r", after=f"{lease.epoch}-750")) == 500


def test_the_async_reader_reads_the_same(broker):
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("r", i, i, b"%d" % i) for i in range(1, 4)]))

    async def read() -> None:
        reader = broker.alog_reader(0, "r")
        assert await reader.exists()
        assert [e.data for e in await reader.read("-", 2, 0)] == [b"1", b"2"]
        assert [e.data for e in await reader.read(f"{lease.epoch}-2", 9, 0)] == [b"3"]
        await reader.close()

    for _ in range(2):  # one event loop after another
        asyncio.run(read())


def test_an_entry_names_its_run(broker):
    broker.push_inbox(0, "r1", b"a")
    broker.publish([(0, "r2", b"b")], [])
    broker.submit(0, "r\u00e93", b"c")
    entries = broker.read_inbox({0: START}, 10, 0)
    assert [(e.source, e.run, e.data) for e in entries] == [
        ("requests", "r\u00e93", b"c"),
        ("inbox", "r1", b"a"),
        ("inbox", "r2", b"b"),
    ]


def test_an_inbox_takes_no_more_than_its_bound(backend, monkeypatch):
    # Given an inbox whose coordinator is away, and a worker that goes on
    for module in ("memory", "redis_worker"):
        monkeypatch.setattr(f"drumline_transport.{module}.INBOX_BYTES_MAX", 300_000)
    broker = backend.connect(patience_s=0.05) if backend.memory is None else backend.connect()
    if backend.name == "fakeredis":
        pytest.skip("fakeredis measures no memory")
    # When it writes and writes
    for _ in range(200):
        broker.publish([(0, "r", b"x" * 100)], [])
    broker.publish([(0, "r", b"x" * 400_000)], [])
    with pytest.raises(BrokerRefuses, match="INBOXFULL"):
        broker.publish([(0, "r", b"x")], [])
    # Then it is refused, while clients are heard and other inboxes take what they are given
    broker.submit(0, "r", b"cancel")
    broker.publish([(1, "r", b"x")], [])
    # And it goes on when the coordinator has caught up
    last = broker.read_inbox({0: START}, 1000, 0)[-1]
    settle(broker, commit_of(lease_of(broker), 1, position=last.behind(START)))
    broker.publish([(0, "r", b"x" * 1000)], [])


def test_requests_begin_anew_behind_an_id_of_the_future(backend):
    broker = backend.connect()
    lease = lease_of(broker)
    broker.submit(0, "r", b"a")
    if backend.memory is not None:
        backend.memory.partitions[0].requests.append((2**64 - 1, 2**64 - 1), ("r", b"forged"))
    else:
        key = f"{{{backend.prefix}:0}}:requests"
        backend.raw("XADD", key, f"{2**64 - 1}-{2**64 - 1}", "r", "r", "d", b"forged")
    position = START
    for entry in broker.read_inbox({0: START}, 10, 0):
        position = entry.behind(position)
    assert not broker.renew_requests(0, "somebody", lease.epoch, position.requests)
    assert not broker.renew_requests(0, "A", lease.epoch, "5-0"), "there is an entry behind"
    assert broker.renew_requests(0, "A", lease.epoch, position.requests)
    broker.submit(0, "r", b"b")
    assert [e.data for e in broker.read_inbox({0: START}, 10, 0)] == [b"b"]
    assert lease_of(broker).position.requests == "0-0"
