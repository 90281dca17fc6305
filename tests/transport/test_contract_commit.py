"""The fence and the commit, on every broker: applied once, in order, as a whole, by the owner only."""

from __future__ import annotations

import pytest
from tests.transport.commits import blob, commit_of, lease_of, log, replies_of, settle, statuses, task

from drumline_protocol.limits import DEAD_DATA_BYTES_MAX
from drumline_transport.broker import START, BlobPut
from drumline_transport.dead import DeadEntry, FailedRun


def test_numbers_apply_once_and_in_order(broker):
    lease = lease_of(broker)
    replies = settle(broker, *(commit_of(lease, n, logs=[log("r", n, n)]) for n in (1, 2, 3)))
    assert statuses(replies) == [(1, "applied"), (2, "applied"), (3, "applied")]
    assert [entry.first for entry in broker.load_log(0, "r")] == [1, 2, 3]


def test_a_repeated_commit_says_already_and_writes_nothing(broker):
    # Given a commit whose reply was lost
    lease = lease_of(broker)
    first = commit_of(lease, 1, logs=[log("r", 1, 1)], tasks=[task("r", "s")])
    settle(broker, first)
    # When it is sent again, also after later ones
    assert statuses(settle(broker, first)) == [(1, "already")]
    second = commit_of(lease, 2, logs=[log("r", 2, 2)])
    assert statuses(settle(broker, second, first, second)) == [
        (2, "applied"),
        (1, "already"),
        (2, "already"),
    ]
    # Then each is there once
    assert [entry.first for entry in broker.load_log(0, "r")] == [1, 2]
    assert broker.queue_depths(["default"])["default"] == (1, 0)


def test_a_gap_in_the_numbers_diverges(broker):
    lease = lease_of(broker)
    [reply] = settle(broker, commit_of(lease, 2, logs=[log("r", 1, 1)]))
    assert reply.status == "diverged"
    assert "cannot be next" in reply.detail
    assert broker.load_log(0, "r") == []


def test_two_owners_only_the_later_one_commits(backend):
    # Given an owner that was stopped for so long that another took over
    zombie, heir = backend.connect(), backend.connect()
    old = lease_of(zombie, nonce="A", ttl_ms=1)
    settle(zombie, commit_of(old, 1, logs=[log("r", 1, 1)]))
    backend.elapse(2)
    new = lease_of(heir, nonce="B")
    # When both commit
    [late] = settle(zombie, commit_of(old, 2, logs=[log("r", 2, 2, b"zombie")]))
    [fresh] = settle(heir, commit_of(new, 1, logs=[log("r", 2, 2, b"heir")]))
    # Then the first owner changes nothing
    assert (late.status, fresh.status) == ("diverged", "applied")
    assert "held by B" in late.detail
    assert [entry.data for entry in heir.load_log(0, "r")] == [b"facts", b"heir"]


def test_the_same_owner_in_an_older_epoch_diverges(broker):
    old = lease_of(broker)
    settle(broker, commit_of(old, 1))
    new = lease_of(broker)
    assert new.epoch > old.epoch
    [reply] = settle(broker, commit_of(old, 1))
    assert reply.status == "diverged"
    assert "epoch" in reply.detail
    assert statuses(settle(broker, commit_of(new, 1))) == [(1, "applied")]


def test_after_release_commits_are_fenced(broker):
    lease = lease_of(broker)
    broker.release(0, "A")
    assert statuses(settle(broker, commit_of(lease, 1))) == [(1, "diverged")]


def test_commits_of_partitions_do_not_touch_each_other(broker):
    zero, one = lease_of(broker, 0), lease_of(broker, 1)
    replies = settle(
        broker,
        commit_of(zero, 1, logs=[log("r", 1, 1, b"zero")]),
        commit_of(one, 2),  # diverges
        commit_of(zero, 2),
        commit_of(one, 1, logs=[log("r", 1, 1, b"one")]),
    )
    # Replies keep the order of a partition's commits; those of two partitions may lie on two servers.
    replies.sort(key=lambda reply: reply.partition)
    assert [(r.partition, r.number, r.status) for r in replies] == [
        (0, 1, "applied"),
        (0, 2, "applied"),
        (1, 2, "diverged"),
        (1, 1, "applied"),
    ]
    assert [entry.data for entry in broker.load_log(1, "r")] == [b"one"]


def test_log_ids_carry_epoch_and_last_number(broker):
    lease = lease_of(broker)
    settle(
        broker,
        commit_of(lease, 1, logs=[log("r", 1, 4, b"a"), log("q", 1, 1), log("r", 5, 5, b"b")]),
    )
    entries = broker.load_log(0, "r")
    assert [(e.id, e.first, e.data) for e in entries] == [
        (f"{lease.epoch}-4", 1, b"a"),
        (f"{lease.epoch}-5", 5, b"b"),
    ]
    assert [e.first for e in broker.load_log(0, "r", after=f"{lease.epoch}-4")] == [5]


def test_a_log_id_that_does_not_ascend_diverges_and_changes_nothing(broker):
    # Given facts up to 5, and a coordinator that lost count
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("r", 1, 5)]))
    # When it appends 5 again, beside things that would be fine
    [reply] = settle(
        broker,
        commit_of(lease, 2, logs=[log("q", 1, 1), log("r", 5, 5)], tasks=[task("r", "s")], opened=["r"]),
    )
    # Then nothing at all was written, and the number is still free
    assert reply.status == "diverged"
    assert "already holds" in reply.detail
    assert broker.load_log(0, "q") == []
    assert broker.load_run(0, "r") == {}
    assert broker.open_runs(0) == []
    assert statuses(settle(broker, commit_of(lease, 2))) == [(2, "applied")]


def test_a_new_epoch_may_write_lower_numbers(broker):
    # A rewind: the epoch orders the log, the numbers follow from the last commit that survived.
    old = lease_of(broker)
    settle(broker, commit_of(old, 1, logs=[log("r", 1, 9)]))
    new = lease_of(broker)
    assert statuses(settle(broker, commit_of(new, 1, logs=[log("r", 3, 3)]))) == [(1, "applied")]
    assert [e.first for e in broker.load_log(0, "r")] == [1, 3]


@pytest.mark.parametrize("logs", [[(2, 2), (1, 1)], [(1, 1), (1, 1)], [(3, 2)]])
def test_logs_that_no_server_could_apply_are_refused_before_sending(backend, logs):
    if backend.name == "memory":
        pytest.skip("the double trusts its caller here")
    broker = backend.connect()
    lease = lease_of(broker)
    with pytest.raises(ValueError, match="do not come behind fact"):
        broker.send_commit(commit_of(lease, 1, logs=[log("r", a, b) for a, b in logs]))
    assert broker.outstanding == 0


def test_fields_of_a_run_record(broker):
    lease = lease_of(broker)
    settle(
        broker,
        commit_of(lease, 1, fields=[("r", {"state": b"\x00\xff", "step": 3, "name": "é"}), ("q", {})]),
        commit_of(lease, 2, fields=[("r", {"step": 4})]),
    )
    assert broker.load_run(0, "r") == {"state": b"\x00\xff", "step": b"4", "name": "é".encode()}
    assert broker.load_run(0, "q") == {}


def test_many_fields_in_one_commit(broker):
    lease = lease_of(broker)
    values = {f"f{i}": i for i in range(1000)}
    settle(broker, commit_of(lease, 1, fields=[("r", values)]))
    assert broker.load_run(0, "r") == {name: str(i).encode() for name, i in values.items()}


def test_a_task_entry_is_remembered_until_settled(broker):
    broker.ensure_pool("default")
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, tasks=[task("r", "t1/1", b"one"), task("r", "t2/1", b"two")]))
    first, second = broker.take(["default"], "w", 10, 0)
    assert (first.data, second.data) == (b"one", b"two")
    assert broker.load_run(0, "r") == {
        "t:t1/1": f"default {first.id}".encode(),
        "k:t1/1": b"",
        "k:t2/1": b"",
        "t:t2/1": f"default {second.id}".encode(),
    }
    # When its worker is done and the result is committed
    broker.publish([(0, "", b"result")], [("default", first.id)])
    settle(broker, commit_of(lease, 2, settled=[("r", "t1/1")]))
    # Then only the other one is left
    assert broker.load_run(0, "r") == {"t:t2/1": f"default {second.id}".encode(), "k:t2/1": b""}
    assert broker.queue_depths(["default"])["default"] == (0, 1)


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.parametrize("pool", ["default", "gpu pool: a/b"])
def test_a_withdrawn_task_is_gone_everywhere(broker, delivered, pool):
    # Given a task, waiting or in a worker's hands
    broker.ensure_pool(pool)
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, tasks=[task("r", "s", pool=pool)], fields=[("r", {"x": 1})]))
    taken = broker.take([pool], "w", 1, 0) if delivered else []
    # When it is withdrawn
    settle(broker, commit_of(lease, 2, withdrawn=[("r", "s"), ("r", "unknown"), ("nobody", "s")]))
    # Then it is in no stream, no pending list and no record
    assert broker.queue_depths([pool])[pool] == (0, 0)
    assert broker.load_run(0, "r") == {"x": b"1"}
    assert broker.take([pool], "w2", 1, 0) == []
    assert broker.stale_tasks(pool, 0, "-", 10) == ([], "-")
    # And its worker learns it
    assert broker.renew("w", [(pool, d.id) for d in taken]) == set()


def test_withdraw_and_dispatch_again_in_one_commit(broker):
    # A retracted attempt: the old entry vanishes, the new one takes a slot of its own.
    broker.ensure_pool("default")
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, tasks=[task("r", "t/1", b"a=1")]))
    broker.take(["default"], "w", 1, 0)
    settle(broker, commit_of(lease, 2, withdrawn=[("r", "t/1")], tasks=[task("r", "t/2", b"a=2")]))
    [again] = broker.take(["default"], "w2", 5, 0)
    assert again.data == b"a=2"
    assert set(broker.load_run(0, "r")) == {"t:t/2", "k:t/2"}


def test_the_inbox_is_trimmed_behind_the_position(broker):
    for i in range(5):
        broker.push_inbox(0, "", b"m%d" % i)
    entries = broker.read_inbox({0: START}, 10, 0)
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, position=entries[2].behind(START)))
    left = broker.read_inbox({0: START}, 10, 0)
    assert [e.data for e in left] == [b"m3", b"m4"]
    # And a new owner begins there
    assert lease_of(broker).position == entries[2].behind(START)
    # And ids go on ascending when all is trimmed
    settle(broker, commit_of(lease_of(broker), 1, position=left[-1].behind(START)))
    broker.push_inbox(0, "", b"m5")
    [last] = broker.read_inbox({0: left[-1].behind(START)}, 10, 0)
    assert last.data == b"m5"


def test_a_diverged_commit_trims_nothing(broker):
    broker.push_inbox(0, "", b"m")
    [entry] = broker.read_inbox({0: START}, 10, 0)
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 7, position=entry.behind(START)))
    assert len(broker.read_inbox({0: START}, 10, 0)) == 1


def test_open_runs_timers_and_control_messages(backend):
    broker = backend.connect()
    lease = lease_of(broker)
    now = broker.time_ms()
    soon, later = [("b", now - 2), ("a", now - 5), ("c", now - 1)], [("z", now + 60_000)]
    start = broker.last_ctl()
    settle(
        broker,
        commit_of(lease, 1, opened=["r2", "r1"], timers=soon + later, ctl=[b"cancel", b"drain"]),
    )
    assert broker.open_runs(0) == ["r1", "r2"]
    assert broker.due_timers(0, 10) == ["a", "b", "c"]
    assert broker.due_timers(0, 2) == ["a", "b"]
    assert broker.due_timers(1, 10) == []
    heard = broker.read_ctl(start, 0)
    assert [data for _, data in heard] == [b"cancel", b"drain"]
    assert broker.last_ctl() == heard[-1][0]
    assert broker.read_ctl(heard[-1][0], 0) == []
    # A timer set again moves; one that is done is gone.
    settle(broker, commit_of(lease, 2, timers=[("a", now + 60_000)], timers_done=["b"]))
    assert broker.due_timers(0, 10) == ["c"]
    settle(broker, commit_of(lease, 3, closed=[("r1", 60)]))
    assert broker.open_runs(0) == ["r2"]


def test_a_closed_run_expires_with_its_log(backend):
    broker = backend.connect()
    lease = lease_of(broker)
    parts = {
        "logs": [log("r", 1, 1), log("kept", 1, 1)],
        "fields": [("r", {"x": 1}), ("kept", {"x": 1})],
    }
    settle(broker, commit_of(lease, 1, opened=["r", "kept"], **parts))
    settle(broker, commit_of(lease, 2, closed=[("r", 3600), ("kept", 0)]))
    assert broker.load_log(0, "r") != []
    if backend.memory is None:
        tag = f"{{{backend.prefix}:0}}"
        for kind in ("run", "log"):
            assert 0 < backend.raw("TTL", f"{tag}:{kind}:r") <= 3600
            assert backend.raw("TTL", f"{tag}:{kind}:kept") == -1
    else:
        backend.elapse(3_600_000)
        assert broker.load_log(0, "r") == []
        assert broker.load_run(0, "r") == {}
        assert not broker.log_reader(0, "r").exists()
        assert broker.load_run(0, "kept") == {"x": b"1"}


def test_blobs(backend):
    broker = backend.connect()
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, blobs=[BlobPut("r", "b1", b"big" * 1000, 60), BlobPut("r", "b2", b"", 0)]))
    assert blob(broker, 0, "b1") == b"big" * 1000
    assert blob(broker, 0, "b2") == b""
    assert blob(broker, 0, "none") is None
    assert blob(broker, 1, "b1") is None
    if backend.memory is None:
        tag = f"{{{backend.prefix}:0}}"
        assert backend.raw("TTL", f"{tag}:blob:b2") == -1
        assert 0 < backend.raw("TTL", f"{tag}:blob:b1") <= 60


def test_a_commit_of_a_thousand_tasks(broker):
    broker.ensure_pool("default")
    lease = lease_of(broker)
    tasks = [task("r", f"s{i}", b"x" * 100) for i in range(1000)]
    big = commit_of(lease, 1, logs=[log("r", 1, 1)], tasks=tasks)
    assert statuses(settle(broker, big)) == [(1, "applied")]
    assert len(broker.load_run(0, "r")) == 2000, "where each lies, and the digest of its token"
    taken = broker.take(["default"], "w", 2000, 0)
    assert len(taken) == 1000
    assert len({d.id for d in taken}) == 1000
    withdrawn = [("r", f"s{i}") for i in range(1000)]
    assert statuses(settle(broker, commit_of(lease, 2, withdrawn=withdrawn))) == [(2, "applied")]
    assert broker.queue_depths(["default"])["default"] == (0, 0)


def test_an_empty_commit_moves_the_number_only(broker):
    lease = lease_of(broker)
    assert statuses(settle(broker, commit_of(lease, 1))) == [(1, "applied")]
    assert replies_of(broker) == []
    assert broker.poll_commits() == []
    assert broker.stalled == ""


def test_a_run_leaves_no_blob_behind_that_its_record_names(broker):
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, blobs=[BlobPut("r", "b1", b"one", 60), BlobPut("r", "b2", b"two", 60)]))
    assert broker.load_run(0, "r") == {"b:b1": b"", "b:b2": b""}
    settle(broker, commit_of(lease, 2, blobs_dropped=[("r", "b1")]))
    assert broker.load_run(0, "r") == {"b:b2": b""}
    assert (blob(broker, 0, "b1"), blob(broker, 0, "b2")) == (None, b"two")


def test_of_a_deleted_run_nothing_stays(broker):
    lease = lease_of(broker)
    parts = {"fields": [("r", {"status": "open"})], "opened": ["r", "s"], "tasks": [task("r", "t")]}
    settle(broker, commit_of(lease, 1, logs=[log("r", 1, 1), log("s", 1, 1)], **parts))
    gone = commit_of(lease, 2, withdrawn=[("r", "t")], deleted=["r"])
    assert statuses(settle(broker, gone)) == [(2, "applied")]
    assert broker.load_run(0, "r") == {}
    assert broker.load_log(0, "r") == []
    assert broker.open_runs(0) == ["s"]
    assert broker.queue_depths(["default"])["default"] == (0, 0)


def test_what_was_set_aside_can_be_looked_at_and_dropped(broker):
    lease = lease_of(broker)
    dead = [DeadEntry("inbox", f"{n}-0", "r", "it is junk", bytes([n, 255])) for n in (1, 2, 3)]
    settle(broker, commit_of(lease, 1, dead=dead))
    found = broker.dead(0, 10)
    assert [entry for _, entry in found] == dead[::-1]
    broker.drop_dead(0, [found[1][0]])
    broker.drop_dead(0, [found[1][0]])
    broker.drop_dead(0, [])
    assert [entry for _, entry in broker.dead(0, 1)] == [dead[2]]
    assert len(broker.dead(0, 10)) == 2
    assert broker.dead(1, 10) == []


def test_notes_are_read_from_one_of_them_on(broker):
    lease = lease_of(broker, 0)
    dead = [DeadEntry("inbox", f"{n}-0", "r", "it is junk", b"") for n in (1, 2, 3)]
    settle(broker, commit_of(lease, 1, dead=dead))
    second = broker.dead(0, 10)[1][0]
    assert [entry for _, entry in broker.dead(0, 10, second)] == [dead[1], dead[0]]
    assert [entry for _, entry in broker.dead(0, 1, second)] == [dead[1]]


def test_an_entry_goes_back_to_where_it_lay(broker):
    broker.put_back(1, DeadEntry("inbox", "1-0", "run a", "why", b"of a worker"))
    broker.put_back(1, DeadEntry("requests", "1-0", "run b", "why", b"of a client"))
    found = [(entry.source, entry.run, entry.data) for entry in broker.read_inbox({1: START}, 10, 0)]
    assert found == [("requests", "run b", b"of a client"), ("inbox", "run a", b"of a worker")]
    broker.put_back(0, DeadEntry("tasks:a:b", "1-0", "", "why", b"a task"))
    assert [(task.pool, task.data) for task in broker.take(["a:b"], "w", 10, 0)] == [("a:b", b"a task")]


@pytest.mark.parametrize(
    "entry",
    [
        DeadEntry("inbox", "1-0", "r", "why", b"the beginning", 100),
        DeadEntry("log:r", "1-0", "r", "why", b""),
        DeadEntry("tasks:", "1-0", "r", "why", b""),
        DeadEntry("", "", "", "", b""),
    ],
)
def test_an_entry_that_cannot_go_back_is_refused(broker, entry):
    with pytest.raises(ValueError, match=r"bytes were kept|nothing can be put back"):
        broker.put_back(0, entry)
    assert broker.read_inbox({0: START}, 10, 0) == []


def test_a_note_of_a_large_entry_says_that_it_is_cut(broker):
    lease = lease_of(broker, 0)
    settle(broker, commit_of(lease, 1, dead=[DeadEntry("inbox", "1-0", "r", "why", b"x" * (DEAD_DATA_BYTES_MAX + 1))]))
    [(_, entry)] = broker.dead(0, 10)
    assert (len(entry.data), entry.whole_bytes) == (DEAD_DATA_BYTES_MAX, DEAD_DATA_BYTES_MAX + 1)
    settle(broker, commit_of(lease, 2, dead=[DeadEntry("inbox", "2-0", "r", "why", b"x" * DEAD_DATA_BYTES_MAX)]))
    assert broker.dead(0, 1)[0][1].whole_bytes == 0


def test_runs_that_failed_are_listed(broker):
    lease = lease_of(broker)
    runs = [FailedRun(f"r{n}", "g", n, "it broke: \u00e9") for n in (1, 2)]
    settle(broker, commit_of(lease, 1, failed=runs))
    assert broker.failed(0, 10) == runs[::-1]
    assert broker.failed(0, 1) == [runs[1]]


def test_the_next_timer_is_the_first_that_is_not_due_yet(backend):
    broker = backend.connect()
    lease = lease_of(broker)
    before = broker.time_ms()
    assert broker.next_timer(0)[1] is None
    settle(
        broker, commit_of(lease, 1, timers=[("late", before + 90_000), ("soon", before + 60_000), ("due", before - 1)])
    )
    now, at = broker.next_timer(0)
    assert before <= now < before + 60_000 and at == before + 60_000
    settle(broker, commit_of(lease, 2, timers_done=["soon", "late"]))
    assert broker.next_timer(0)[1] is None
    assert broker.due_timers(0, 1) == ["due"]
