"""Promises at their edges, of the double and of every broker alike: leases, lifetimes, trimming, acknowledgements."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.transport.commits import blob, commit_of, lease_of, log, settle, task

from drumline_protocol.limits import DEAD_ENTRIES_MAX, LEASE_MS_MAX
from drumline_transport.broker import START, BlobPut, DeadEntry, Position
from drumline_transport.errors import BrokerRefuses
from drumline_transport.redis_worker import RedisWorker


@pytest.mark.parametrize("remaining_ms", [400, 5000])
def test_a_lease_that_runs_is_not_taken_however_little_of_it_is_left(broker: Any, remaining_ms: int) -> None:
    assert broker.acquire(0, "A", remaining_ms) is not None
    assert broker.acquire(0, "B", 60_000) is None
    again = broker.acquire(0, "A", remaining_ms)
    assert again is not None, "its own holder may"
    assert broker.acquire(0, "B", 60_000) is None


def test_a_lease_beyond_every_lease_is_damaged_and_has_run_out(backend: Any) -> None:
    broker = backend.connect()
    lease_of(broker)
    if backend.memory is None:
        far = broker.time_ms() + LEASE_MS_MAX + 60_000
        backend.raw("HSET", f"{{{backend.prefix}:0}}:lease", "until", far)
        assert broker.acquire(0, "B", 60_000) is not None
        near = broker.time_ms() + LEASE_MS_MAX - 60_000
        backend.raw("HSET", f"{{{backend.prefix}:0}}:lease", "until", near)
        assert broker.acquire(0, "A", 60_000) is None


def test_a_large_value_lives_as_long_as_it_was_given(backend: Any) -> None:
    broker = backend.connect()
    put = [BlobPut("r", "short", b"x", 60), BlobPut("r", "for ever", b"y", 0)]
    settle(broker, commit_of(lease_of(broker), 1, blobs=put))
    if backend.memory is None:
        tag = f"{{{backend.prefix}:0}}:blob"
        assert 0 < backend.raw("TTL", f"{tag}:short") <= 60
        assert backend.raw("TTL", f"{tag}:for ever") == -1
    else:
        backend.elapse(60_000)
        assert blob(broker, 0, "short") is None
        assert blob(broker, 0, "for ever") == b"y"


def test_a_short_log_takes_what_it_holds_once_its_run_has_ended(backend: Any) -> None:
    """A server gives each new stream 4 KiB. What its readers get stays the same."""
    broker = backend.connect()
    lease = lease_of(broker)
    entries = [log("r", 1, 2, b"one"), log("r", 3, 3, b"two")]
    settle(broker, commit_of(lease, 1, logs=entries, opened=["r"], fields=[("r", {"shared": b"x", "status": "done"})]))
    before = broker.load_log(0, "r")
    settle(broker, commit_of(lease, 2, closed=[("r", 60)], short_logs=["r"]))
    assert broker.load_log(0, "r") == before
    assert broker.load_run(0, "r") == {"status": b"done"}
    if backend.memory is None:
        tag = f"{{{backend.prefix}:0}}"
        assert 0 < backend.raw("TTL", f"{tag}:log:r") <= 60
        assert backend.raw("EXISTS", f"{tag}:copy") == 0
        if backend.name != "fakeredis":
            assert backend.raw("MEMORY", "USAGE", f"{tag}:log:r") < 1024


def test_each_stream_of_an_inbox_is_trimmed_behind_its_own_position(broker: Any) -> None:
    for number in range(3):
        broker.submit(0, "r", b"request %d" % number)
        broker.push_inbox(0, "r", b"word %d" % number)
    entries = broker.read_inbox({0: START}, 10, 0)
    requests, words = ([e for e in entries if e.source == source] for source in ("requests", "inbox"))
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, position=Position(START.inbox, requests[1].id)))
    left = [entry.data for entry in broker.read_inbox({0: START}, 10, 0)]
    assert left == [b"request 2", b"word 0", b"word 1", b"word 2"]
    settle(broker, commit_of(lease, 2, position=Position(words[0].id, requests[1].id)))
    left = [entry.data for entry in broker.read_inbox({0: START}, 10, 0)]
    assert left == [b"request 2", b"word 1", b"word 2"]


def test_of_a_long_burst_no_part_but_the_last_acknowledges_its_task(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever dies between two parts has not acknowledged: the task is given out again."""
    broker = backend.connect()
    settle(broker, commit_of(lease_of(broker), 1, tasks=[task("r", "t:1")]))
    (taken,) = broker.take(["default"], "w", 1, 0)
    if backend.memory is not None:
        return  # it publishes in one piece
    parts: list[tuple[int, list[Any]]] = []
    genuine = RedisWorker._publish

    def publish(self: Any, entries: list[Any], done: list[Any]) -> None:
        parts.append((len(entries), done))
        genuine(self, entries, done)
        if not done:
            assert broker.renew("w", [("default", taken.id)]) == {("default", taken.id)}

    monkeypatch.setattr(RedisWorker, "_publish", publish)
    broker.publish([(0, "r", b"%d" % number) for number in range(1201)], [("default", taken.id)])
    assert [done for _, done in parts[:-1]] == [[]] * (len(parts) - 1)
    assert len(parts) > 1 and parts[-1][1] == [("default", backend.entry_id(taken.id))]
    assert broker.renew("w", [("default", taken.id)]) == set()


def test_a_worker_that_leaves_with_tasks_in_its_hands_keeps_them(broker: Any) -> None:
    """Its consumer holds them, and the sweep finds them there. Forgotten, they would be lost silently."""
    settle(broker, commit_of(lease_of(broker), 1, tasks=[task("r", "t:1")]))
    (taken,) = broker.take(["default"], "w", 1, 0)
    broker.leave("workers", "w")
    (stale,), _ = broker.stale_tasks("default", 0, "-", 10)
    assert (stale.id, stale.consumer) == (taken.id, "w")
    assert broker.renew("w", [("default", taken.id)]) == {("default", taken.id)}


def test_each_stream_of_an_inbox_is_read_behind_its_own_position(broker: Any) -> None:
    for number in range(3):
        broker.submit(0, "r", b"request %d" % number)
        broker.push_inbox(0, "r", b"word %d" % number)
    entries = broker.read_inbox({0: START}, 10, 0)
    requests, words = ([e for e in entries if e.source == source] for source in ("requests", "inbox"))
    for position, wanted in (
        (Position(words[-1].id, START.requests), requests),
        (Position(START.inbox, requests[-1].id), words),
        (Position(words[0].id, requests[1].id), [requests[2], *words[1:]]),
    ):
        found = broker.read_inbox({0: position}, 10, 0)
        assert [entry.data for entry in found] == [entry.data for entry in wanted]


def test_a_long_log_is_loaded_whole(broker: Any) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("r", number, number) for number in range(1, 1203)]))
    found = broker.load_log(0, "r")
    assert [entry.first for entry in found] == list(range(1, 1203))
    assert [entry.first for entry in broker.load_log(0, "r", found[599].id)] == list(range(601, 1203))


def test_what_was_set_aside_is_bounded(broker: Any) -> None:
    """About as many as the bound says are kept, and those are the newest."""
    lease = lease_of(broker)
    for number in range(1, 7):
        dead = [DeadEntry("inbox", f"{number}-{n}", "r", "no", b"junk") for n in range(500)]
        settle(broker, commit_of(lease, number, dead=dead))
    kept = [entry.id for _, entry in broker.dead(0, 10_000)]
    assert DEAD_ENTRIES_MAX <= len(kept) <= DEAD_ENTRIES_MAX + 200
    assert kept[0] == "6-499"


def test_no_task_is_acknowledged_whose_result_a_full_server_refused(any_real_backend: Any) -> None:
    broker = any_real_backend.connect(patience_s=0.1)
    settle(broker, commit_of(lease_of(broker), 1, tasks=[task("r", "t:1")]))
    (taken,) = broker.take(["default"], "w", 1, 0)
    any_real_backend.raw("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(BrokerRefuses):
            broker.publish([(0, "r", b"result")], [("default", taken.id)])
    finally:
        any_real_backend.raw("CONFIG", "SET", "maxmemory", "0")
    assert broker.renew("w", [("default", taken.id)]) == {("default", taken.id)}
    assert broker.read_inbox({0: START}, 10, 0) == []


def test_a_read_that_was_cancelled_leaves_no_reply_for_the_next(any_real_backend: Any) -> None:
    broker = any_real_backend.connect()
    lease = lease_of(broker)

    async def read() -> list[list[int]]:
        reader = broker.alog_reader(0, "r")
        waiting = asyncio.ensure_future(reader.read("0-0", 10, 5000))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(settle, broker, commit_of(lease, 1, logs=[log("r", 1, 1)]))
        first = await reader.read("0-0", 10, 1000)
        second = await reader.read(first[-1].id, 10, 0)
        await reader.close()
        return [[entry.first for entry in entries] for entries in (first, second)]

    assert asyncio.run(read()) == [[1], []]


def test_a_log_is_trimmed_up_to_an_entry_and_goes_on(broker: Any) -> None:
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("r", 1, 2), log("r", 3, 5), log("r", 6, 6)]))
    settle(broker, commit_of(lease, 2, logs=[log("r", 7, 8)], logs_trimmed=[("r", f"{lease.epoch}-5")]))
    assert [entry.first for entry in broker.load_log(0, "r")] == [6, 7]
    reader = broker.log_reader(0, "r")
    assert [entry.first for entry in reader.read("0-0", 10, 0)] == [6, 7]
    reader.close()
    # An entry that is gone already, and one that nobody has written yet, are as good
    settle(broker, commit_of(lease, 3, logs=[log("r", 9, 9)], logs_trimmed=[("r", f"{lease.epoch}-1")]))
    assert [entry.first for entry in broker.load_log(0, "r")] == [6, 7, 9]
    settle(broker, commit_of(lease, 4, logs=[log("r", 10, 10)], logs_trimmed=[("r", f"{lease.epoch}-7")]))
    assert [entry.first for entry in broker.load_log(0, "r")] == [7, 9, 10]
