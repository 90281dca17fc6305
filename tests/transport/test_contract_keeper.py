"""The keeper's verbs: one look at all, many at once, and no key that costs another."""

from __future__ import annotations

import pytest
import redis
from tests.transport.commits import commit_of, lease_of, log, settle, task

from drumline_protocol.limits import DEAD_DATA_BYTES_MAX, LEASE_MS_MAX
from drumline_transport import connect
from drumline_transport.broker import START
from drumline_transport.dead import DeadEntry
from drumline_transport.errors import BrokerRefuses
from drumline_transport.memory import MemoryBroker, MemoryServer

# -- the survey ------------------------------------------------------------------------------------


def test_a_survey_renews_beats_and_looks(backend):
    one, two = backend.connect(), backend.connect()
    lease_of(one, 0, "A", 1_000)
    lease_of(one, 1, "A", 1_000)
    lease_of(two, 2, "B", 60_000)
    lease_of(two, 3, "B", 60_000)
    two.release(3, "B")
    two.beat("workers", "w", b"what it holds")
    look = one.survey("a", b"info", "A", [0, 1, 2], 60_000)
    # Ours are prolonged, and we are there
    assert look.kept == {0, 1}
    assert two.acquire(0, "B", 1) is None
    info, age = look.coordinators["a"]
    assert info == b"info" and age < 1_000
    assert look.workers["w"][0] == b"what it holds"
    # The others are told of: one that runs, one that was released, none that never had an owner
    look = one.survey("a", b"info", "A", [0, 1], 60_000)
    assert look.leases[2].owner == "B" and 50_000 < look.leases[2].remaining_ms <= 60_000
    assert look.leases[3].owner == "" and look.leases[3].remaining_ms <= 0
    assert set(look.leases) == {2, 3}
    assert (look.unserved, look.unusable) == (set(), {})
    assert abs(look.now_ms - one.time_ms()) < 5_000


def test_a_lease_that_ran_out_shows_it(backend):
    one, two = backend.connect(), backend.connect()
    lease_of(one, 0, "A", 1)
    backend.elapse(5)
    look = two.survey("b", b"", "B", [], 1_000)
    assert look.leases[0].owner == "A" and look.leases[0].remaining_ms <= 0


def test_acquire_all_gets_what_is_free(backend):
    one, two = backend.connect(), backend.connect()
    lease_of(two, 1, "B", 60_000)
    leases = one.acquire_all([0, 1, 2], "A", 60_000)
    assert [(lease.partition, lease.nonce, lease.position) for lease in leases] == [(0, "A", START), (2, "A", START)]
    assert settle(one, commit_of(leases[1], 1))[0].status == "applied"
    assert one.acquire_all([], "A", 60_000) == []


def test_scripts_that_were_lost_come_back(any_real_backend):
    broker = any_real_backend.connect()
    broker.survey("a", b"", "A", [0], 1_000)
    any_real_backend.raw("SCRIPT", "FLUSH")
    [lease] = broker.acquire_all([0], "A", 60_000)
    any_real_backend.raw("SCRIPT", "FLUSH")
    assert broker.survey("a", b"", "A", [0], 60_000).kept == {0}
    assert lease.partition == 0


# -- junk in leases and among members --------------------------------------------------------------


def test_a_lease_key_of_another_type_costs_its_partition(any_real_backend):
    broker, key = any_real_backend.connect(), f"{{{any_real_backend.prefix}:1}}:lease"
    lease_of(broker, 0, "A")
    lease = lease_of(broker, 1, "A")
    any_real_backend.raw("SET", key, "rubbish")
    look = broker.survey("a", b"", "A", [0, 1], 60_000)
    assert look.kept == {0} and look.unserved == {1}
    assert set(look.unusable) == {key} and "WRONGTYPE" in look.unusable[key]
    look = broker.survey("b", b"", "B", [], 60_000)
    assert set(look.leases) == {0} and look.unserved == {1} and set(look.unusable) == {key}
    # And no verb that meets it takes it badly
    assert [found.partition for found in broker.acquire_all([1, 2], "A", 60_000)] == [2]
    broker.release(1, "A")
    assert broker.note_try(1, "A", lease.epoch, "inbox/1-0") == 0
    assert [row["partition"] for row in broker.lease_owners()] == [0, 2]
    [reply] = settle(broker, commit_of(lease, 1))
    assert reply.status == "diverged"
    # When it is gone, the partition is free
    any_real_backend.raw("DEL", key)
    assert broker.survey("a", b"", "A", [0], 60_000).unusable == {}
    assert broker.acquire_all([1], "A", 60_000)


JUNK = [
    ("until", b"soon"),
    ("until", b"inf"),
    ("until", b"nan"),
    ("until", b"0x7fffffffffffffff"),
    ("until", b"9" * 14),
    ("until", b"9" * 5000),
    ("until", b""),
]


@pytest.mark.parametrize(("name", "value"), JUNK, ids=[repr(value[:10]) for _, value in JUNK])
def test_a_lease_whose_end_is_no_time_has_run_out(any_real_backend, name, value):
    broker, key = any_real_backend.connect(), f"{{{any_real_backend.prefix}:0}}:lease"
    lease_of(broker, 0, "A")
    any_real_backend.raw("HSET", key, name, value)
    look = broker.survey("b", b"", "B", [], 60_000)
    assert look.leases[0].owner == "A" and look.leases[0].remaining_ms <= 0
    assert broker.acquire_all([0], "B", 60_000)


def test_a_lease_cannot_run_for_longer_than_any_lease(any_real_backend):
    one, two = any_real_backend.connect(), any_real_backend.connect()
    lease_of(one, 0, "A", LEASE_MS_MAX + 60_000)
    assert two.acquire(0, "B", 1_000) is not None
    lease_of(one, 1, "A", LEASE_MS_MAX - 60_000)
    assert two.acquire(1, "B", 1_000) is None


@pytest.mark.parametrize("value", [b"rubbish", b"", b"1e400", b"-5", b"9" * 400, b"\xff"])
def test_a_damaged_lease_is_repaired_by_the_next_owner(any_real_backend, value):
    broker, key = any_real_backend.connect(), f"{{{any_real_backend.prefix}:0}}:lease"
    first = lease_of(broker, 0, "A")
    settle(broker, commit_of(first, 1))
    for name in ("epoch", "commit", "position", "requests", "tries"):
        any_real_backend.raw("HSET", key, name, value)
    assert broker.note_try(0, "A", first.epoch, "inbox/1-0") == 0
    [reply] = settle(broker, commit_of(first, 2))
    assert reply.status == "diverged"
    [row] = broker.lease_owners()
    assert (row["owner"], row["epoch"], row["commit"], row["tries"]) == ("A", 0, 0, 0)
    now = broker.time_ms()
    lease = lease_of(broker, 0, "A")
    assert lease.epoch >= now and lease.position == START and lease.tries == 0
    assert settle(broker, commit_of(lease, 1))[0].status == "applied"
    assert broker.note_try(0, "A", lease.epoch, "inbox/1-0") == 1


def test_a_damaged_commit_number_alone_is_told(any_real_backend):
    broker, key = any_real_backend.connect(), f"{{{any_real_backend.prefix}:0}}:lease"
    lease = lease_of(broker, 0, "A")
    any_real_backend.raw("HSET", key, "commit", "rubbish")
    [reply] = settle(broker, commit_of(lease, 1))
    assert (reply.status, reply.detail) == ("diverged", "the last commit is no number")
    any_real_backend.raw("HDEL", key, "commit")
    [reply] = settle(broker, commit_of(lease, 1))
    assert reply.status == "diverged"


def test_tries_without_end_are_no_count(any_real_backend):
    broker, key = any_real_backend.connect(), f"{{{any_real_backend.prefix}:0}}:lease"
    lease = lease_of(broker, 0, "A")
    any_real_backend.raw("HSET", key, "tries", b"inbox/1-0 " + b"9" * 400)
    assert broker.note_try(0, "A", lease.epoch, "inbox/1-0") == 1


def test_rubbish_among_the_members_is_nobody(any_real_backend):
    broker = any_real_backend.connect()
    now = broker.time_ms()
    for kind in ("workers", "coordinators"):
        key = f"{any_real_backend.prefix}:{kind}"
        any_real_backend.raw("HSET", key, "good", f"{now} info", b"\xff\xfe", f"{now} \xff")
        junk = {"none": "", "text": "soon info", "ahead": f"{now + 3_600_000} info", "long": "9" * 5_000 + " x"}
        for name, value in junk.items():
            any_real_backend.raw("HSET", key, name, value)
    look = broker.survey("a", b"", "A", [], 60_000)
    assert set(look.workers) == {"good", "\udcff\udcfe"}
    assert set(look.coordinators) == {"good", "\udcff\udcfe", "a"}
    # And it does not come back in every look
    assert set(any_real_backend.raw("HKEYS", f"{any_real_backend.prefix}:workers")) == {b"good", b"\xff\xfe"}


@pytest.mark.parametrize("kind", ["workers", "coordinators"])
def test_members_of_another_type_cost_no_lease(any_real_backend, kind):
    broker, key = any_real_backend.connect(), f"{any_real_backend.prefix}:{kind}"
    any_real_backend.raw("SET", key, "rubbish")
    lease_of(broker, 0, "A", 60_000)
    look = broker.survey("a", b"", "A", [0], 60_000)
    assert look.kept == {0} and set(look.unusable) == {key}
    assert getattr(look, kind) == {}


# -- the sweep -------------------------------------------------------------------------------------


def dispatch(broker, *tasks):
    lease = lease_of(broker)
    for number, chunk in enumerate([tasks], 1):
        assert settle(broker, commit_of(lease, number, tasks=list(chunk)))[0].status == "applied"
    return lease


def test_pools_are_swept_at_once(backend):
    broker = backend.connect()
    dispatch(broker, *(task("r", f"a{i}", b"%d" % i, pool="a") for i in range(3)), task("r", "b", b"b", pool="b"))
    # Given groups that are missing, as at first: they are made
    found = broker.sweep_pools({"a": "-", "b": "-", "none": "-"}, 0, 10)
    assert {pool: (sweep.stale, sweep.cursor, sweep.error) for pool, sweep in found.items()} == dict.fromkeys(
        ("a", "b", "none"), ([], "-", "")
    )
    taken = broker.take(["a"], "w", 3, 0) + broker.take(["b"], "w", 1, 0)
    assert len(taken) == 4
    backend.elapse(5)
    found = broker.sweep_pools({"a": "-", "b": "-"}, 1, 2)
    assert [(stale.id, stale.consumer, stale.data) for stale in found["a"].stale] == [
        (taken[0].id, "w", b"0"),
        (taken[1].id, "w", b"1"),
    ]
    assert [stale.data for stale in found["b"].stale] == [b"b"]
    found = broker.sweep_pools({"a": found["a"].cursor, "b": found["b"].cursor}, 1, 2)
    assert [stale.data for stale in found["a"].stale] == [b"2"]
    assert found["a"].cursor == "-"
    assert broker.sweep_pools({"a": "-"}, 50_000, 2)["a"].stale == []
    assert broker.sweep_pools({}, 0, 2) == {}


def test_a_task_stream_of_another_type_costs_its_pool(any_real_backend):
    broker = any_real_backend.connect()
    dispatch(broker, task("r", "b", b"b", pool="b"))
    broker.take(["b"], "w", 1, 0)
    any_real_backend.raw("SET", any_real_backend.tasks_key("a"), "rubbish")
    any_real_backend.elapse(2)
    found = broker.sweep_pools({"a": "-", "b": "-"}, 1, 10)
    assert "WRONGTYPE" in found["a"].error and found["a"].stale == []
    assert [stale.data for stale in found["b"].stale] == [b"b"] and found["b"].error == ""
    missing, unusable = broker.missing_tasks([(pool, any_real_backend.entry_name("1-1")) for pool in ("a", "b")])
    assert missing == {("b", any_real_backend.entry_name("1-1")): "gone"} and set(unusable) == {"a"}
    assert broker.forget_consumers(["a", "b"], 0, set()) == []


def test_a_look_at_runs_tells_of_damage(backend):
    broker = backend.connect()
    lease = lease_of(broker)
    whole = {"status": "open", "shared": b"x", "graph": "g"}
    settle(
        broker,
        commit_of(
            lease,
            1,
            logs=[log("whole", 1, 1), log("part", 1, 1), log("no record", 1, 1), log("over", 1, 1)],
            fields=[("whole", whole), ("part", {"status": "open"}), ("no log", whole), ("over", {"status": "done"})],
            opened=["whole", "part", "no record", "no log"],
        ),
    )
    runs = ["whole", "part", "no record", "no log", "over", "never was"]
    looks = dict(zip(runs, broker.look_at_runs([(0, run) for run in runs]), strict=True))
    assert looks["whole"].record["shared"] == b"x"
    assert {run: (look.is_open, look.damage) for run, look in looks.items()} == {
        "whole": (True, ""),
        "part": (True, "a part of its record is gone"),
        "no record": (True, "its record is gone"),
        "no log": (True, "its log is gone"),
        "over": (False, ""),
        "never was": (False, "its record is gone"),
    }
    assert broker.look_at_runs([]) == []


def test_a_run_whose_keys_are_of_another_type_is_damaged(any_real_backend):
    broker, tag = any_real_backend.connect(), f"{{{any_real_backend.prefix}:0}}"
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, fields=[("r2", {"status": "open", "shared": b"x"})], opened=["r1", "r2"]))
    any_real_backend.raw("SET", f"{tag}:run:r1", "rubbish")
    any_real_backend.raw("SET", f"{tag}:log:r2", "rubbish")
    one, two = broker.look_at_runs([(0, "r1"), (0, "r2")])
    assert "WRONGTYPE" in one.damage and one.is_open
    assert two.damage == "its log is a string"
    # And members of the open runs that are no ids are nobody's
    any_real_backend.raw("SADD", f"{tag}:open", b"\xff\xfe")
    assert broker.open_runs(0) == ["r1", "r2"]


def test_missing_tasks_are_those_that_nobody_will_run(backend):
    broker = backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, *(task("r", f"s{i}", pool="a") for i in range(4)))
    waiting = [("a", where.decode().rpartition(" ")[2]) for where in _slots(broker)]
    assert broker.missing_tasks(waiting) == ({}, {})
    first, second = broker.take(["a"], "w", 2, 0)
    assert broker.missing_tasks(waiting) == ({}, {}), "it is held by somebody"
    broker.publish([(0, "r", b"answer")], [("a", first.id)])
    assert broker.missing_tasks(waiting) == ({("a", first.id): "gone"}, {})
    assert broker.missing_tasks([("never", backend.entry_name("1-1"))]) == (
        {("never", backend.entry_name("1-1")): "gone"},
        {},
    )
    assert broker.missing_tasks([]) == ({}, {})
    if backend.memory is None:
        backend.raw("XACK", backend.tasks_key("a"), "workers", backend.entry_id(second.id))
    else:
        backend.memory.pool("a").pending.clear()
    assert broker.missing_tasks(waiting)[0] == {("a", first.id): "gone", ("a", second.id): "stranded"}


def _slots(broker):
    record = broker.load_run(0, "r")
    return [value for name, value in sorted(record.items()) if name.startswith("t:")]


def test_an_entry_without_its_group_is_not_stranded(any_real_backend):
    broker = any_real_backend.connect()
    broker.ensure_pool("a")
    dispatch(broker, task("r", "s", pool="a"))
    [taken] = broker.take(["a"], "w", 1, 0)
    any_real_backend.raw("XGROUP", "DESTROY", any_real_backend.tasks_key("a"), "workers")
    assert broker.missing_tasks([("a", taken.id)]) == ({}, {})
    # When the sweep has made the group again, then the entry is delivered again
    broker.sweep_pools({"a": "-"}, 0, 10)
    assert [again.id for again in broker.take(["a"], "w2", 1, 0)] == [taken.id]


def test_many_entries_are_looked_at_in_portions(backend):
    broker = backend.connect()
    missing, _ = broker.missing_tasks([("a", backend.entry_name(f"5-{i}")) for i in range(1, 1_001)])
    assert len(missing) == 1_000


def test_what_is_set_aside_is_kept_and_bounded(backend):
    broker = backend.connect()
    broker.set_aside(1, DeadEntry("tasks:a", "5-1", "", "it cannot be read", b"x" * (DEAD_DATA_BYTES_MAX + 1)))
    broker.set_aside(1, DeadEntry("tasks:a", "5-2", "r", "it is no task", b"\xff"))
    assert [entry for _, entry in broker.dead(1, 10)] == [
        DeadEntry("tasks:a", "5-2", "r", "it is no task", b"\xff"),
        DeadEntry("tasks:a", "5-1", "", "it cannot be read", b"x" * DEAD_DATA_BYTES_MAX, DEAD_DATA_BYTES_MAX + 1),
    ]
    for number in range(1_300):
        broker.set_aside(0, DeadEntry("tasks:a", f"{number}-0", "", "", b""))
    assert 1_000 <= len(broker.dead(0, 2_000)) <= 1_200


def test_consumers_that_hold_nothing_are_forgotten(backend):
    broker = backend.connect()
    broker.ensure_pool("a")
    broker.ensure_pool("b")
    dispatch(broker, task("r", "s1", pool="a"), task("r", "s2", pool="a"))
    [first] = broker.take(["a"], "had one", 1, 0)
    broker.take(["a"], "holds one", 1, 0)
    broker.publish([], [("a", first.id)])
    backend.elapse(20)
    assert broker.forget_consumers(["a", "b"], 50_000, set()) == []
    assert broker.forget_consumers(["a", "b"], 10, {"had one"}) == []
    assert broker.forget_consumers(["a", "b", "none"], 10, set()) == [("a", "had one")]
    assert broker.forget_consumers(["a"], 10, set()) == []
    assert broker.queue_depths(["a"]) == {"a": (0, 1)}


def test_a_survey_is_refused_as_a_whole_when_the_server_takes_no_writes():
    server = MemoryServer()
    server.refusing = "OOM"
    with pytest.raises(BrokerRefuses):
        MemoryBroker(server).survey("a", b"", "A", [], 1_000)


def test_a_full_server_refuses_a_survey_as_a_whole(own_server):
    broker = connect(own_server.url, create=True)
    broker.survey("a", b"", "A", [], 1_000)
    client = redis.Redis.from_url(own_server.url)
    client.config_set("maxmemory", 1)
    with pytest.raises(BrokerRefuses):
        broker.survey("a", b"", "A", [], 1_000)
    client.config_set("maxmemory", 0)
    assert "a" in broker.survey("a", b"", "A", [], 1_000).coordinators
    broker.close()
