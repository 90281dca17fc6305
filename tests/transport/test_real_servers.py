"""What only a real server can show: waiting, lost scripts, killed connections, restarts, refusals.

Faults 10-20 of docs/invariants.md.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.servers import wait_until
from tests.transport.commits import blob, commit_of, lease_of, log, replies_of, settle, statuses, task

from drumline_protocol.errors import EvictingBroker, NoBroker, PartitionMismatch, ProtocolTooNew
from drumline_transport import connect
from drumline_transport.broker import START, BlobPut
from drumline_transport.errors import BrokerRefuses, ServerError
from drumline_transport.local_server import LocalServer, free_port


def clients(backend, role):
    """Ids of the open connections of that role."""
    rows = backend.raw("CLIENT", "LIST").decode().splitlines()
    fields = [dict(word.partition("=")[::2] for word in row.split()) for row in rows]
    return [row["id"] for row in fields if row["name"] == f"test:{role}"]


def blocked(backend):
    info = backend.raw("INFO", "clients").decode()
    return int(next(line for line in info.splitlines() if line.startswith("blocked_clients:"))[16:])


def meanwhile(backend, wait, act):
    """Run `wait` in a thread, `act` once the server holds it blocked; what `wait` returned."""
    with ThreadPoolExecutor(1) as pool:
        before = blocked(backend)
        waiting = pool.submit(wait)
        wait_until(lambda: blocked(backend) > before)
        act()
        return waiting.result(10)


# -- waiting ---------------------------------------------------------------------------------------


def test_blocked_reads_wake_up(real_backend):
    broker = real_backend.connect()
    broker.ensure_pool("a")
    lease = lease_of(broker)
    [entry] = meanwhile(
        real_backend,
        lambda: broker.read_inbox({0: START, 1: START}, 10, 9_000),
        lambda: broker.push_inbox(1, "", b"hello"),
    )
    assert (entry.partition, entry.data) == (1, b"hello")
    [taken] = meanwhile(
        real_backend,
        lambda: broker.take(["a"], "w", 5, 9_000),
        lambda: settle(broker, commit_of(lease, 1, tasks=[task("r", "s", pool="a")])),
    )
    assert taken.data == b"do"
    [(_, order)] = meanwhile(
        real_backend,
        lambda: broker.read_ctl("0-0", 9_000),
        lambda: settle(broker, commit_of(lease, 2, ctl=[b"drain"])),
    )
    assert order == b"drain"
    reader = broker.log_reader(0, "r")
    [fact] = meanwhile(
        real_backend,
        lambda: reader.read("-", 10, 9_000),
        lambda: settle(broker, commit_of(lease, 3, logs=[log("r", 1, 1)])),
    )
    assert fact.first == 1
    reader.close()


def test_blocked_reads_end_empty_handed(real_backend):
    broker = real_backend.connect()
    assert broker.read_inbox({0: START}, 10, 10) == []
    assert broker.take(["a", "b"], "w", 1, 10) == []
    assert broker.read_ctl("0-0", 10) == []
    reader = broker.log_reader(0, "none")
    assert reader.read("-", 1, 10) == []
    reader.close()
    assert broker.poll_commits(5) == []


def test_a_pool_deleted_under_a_blocked_worker_is_made_again(real_backend):
    broker = real_backend.connect()
    broker.ensure_pool("a")
    lease = lease_of(broker)
    key = f"{real_backend.prefix}:tasks:a"

    def act():
        real_backend.raw("DEL", key)
        wait_until(lambda: real_backend.raw("EXISTS", key) or blocked(real_backend))
        settle(broker, commit_of(lease, 1, tasks=[task("r", "s", pool="a")]))

    assert len(meanwhile(real_backend, lambda: broker.take(["a"], "w", 5, 500), act)) <= 1
    # Whether the wait saw it or the key was gone too early: the entry is found
    assert broker.queue_depths(["a"])["a"] in [(0, 1), (1, 0)]
    if broker.queue_depths(["a"])["a"] == (1, 0):
        assert len(broker.take(["a"], "w", 5, 0)) == 1


def test_closing_ends_every_wait(real_backend):
    broker = real_backend.connect()
    with pytest.raises(NoBroker, match="closed"):
        meanwhile(real_backend, lambda: broker.read_inbox({0: START}, 1, 9_000), broker.close)
    with pytest.raises(NoBroker, match="closed"):
        broker.time_ms()


def test_async_readers_wait_without_blocking_their_loop(real_backend):
    broker = real_backend.connect()
    lease = lease_of(broker)

    async def main():
        reader, quiet = broker.alog_reader(0, "r"), broker.alog_reader(0, "quiet")
        reading = asyncio.create_task(reader.read("-", 10, 9_000))
        assert await quiet.read("-", 10, 5) == []
        while blocked(real_backend) < 1:
            await asyncio.sleep(0)
        settle(broker, commit_of(lease, 1, logs=[log("r", 1, 1)]))
        assert [e.first for e in await reading] == [1]
        await reader.close()
        await quiet.close()

    asyncio.run(main())


def test_a_cancelled_async_read_leaves_no_reply_behind(real_backend):
    broker = real_backend.connect()
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("mine", 1, 1, b"mine"), log("other", 1, 1, b"other")]))

    async def main():
        # Given a reader that was cancelled in the middle of a wait
        reader = broker.alog_reader(0, "mine")
        reading = asyncio.create_task(reader.read(f"{lease.epoch}-1", 1, 9_000))
        while blocked(real_backend) < 1:
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await reader.close()
        # When its log goes on and another reader comes
        settle(broker, commit_of(lease, 2, logs=[log("mine", 2, 2, b"mine too")]))
        other = broker.alog_reader(0, "other")
        # Then that one sees its own log only
        assert [e.data for e in await other.read("-", 5, 0)] == [b"other"]
        await other.close()

    asyncio.run(main())
    assert len(clients(real_backend, "log")) == 1


def test_readers_share_connections_over_loops_and_threads(real_backend):
    broker = real_backend.connect()

    async def use():
        reader = broker.alog_reader(0, "r")
        assert not await reader.exists()
        await reader.close()

    for _ in range(3):
        asyncio.run(use())
    reader = broker.log_reader(0, "r")
    assert not reader.exists()
    reader.close()
    assert len(clients(real_backend, "log")) == 1


# -- commits on a bad day --------------------------------------------------------------------------


def test_script_flush_between_commits(real_backend):
    broker = real_backend.connect()
    zero, one = lease_of(broker, 0), lease_of(broker, 1)
    settle(broker, commit_of(zero, 1, logs=[log("r", 1, 1)]))
    real_backend.raw("SCRIPT", "FLUSH")
    commits = [commit_of(zero, n, logs=[log("r", n, n)]) for n in range(2, 30)]
    commits += [commit_of(one, n, logs=[log("q", n, n)]) for n in range(1, 30)]
    replies = settle(broker, *commits)
    assert {reply.status for reply in replies} == {"applied"}
    assert [e.first for e in broker.load_log(0, "r")] == list(range(1, 30))
    assert [e.first for e in broker.load_log(1, "q")] == list(range(1, 30))
    # Other scripts come back too
    real_backend.raw("SCRIPT", "FLUSH")
    assert broker.renew_leases("A", [0, 1], 60_000) == [True, True]


def test_killed_connections_lose_and_double_nothing(real_backend):
    # Given commits in flight all the time, and somebody who kills their connection again and again
    broker = real_backend.connect()
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1))
    stop = threading.Event()
    killed = 0

    def kill():
        nonlocal killed
        while not stop.wait(0.003):
            for client in clients(real_backend, "commit"):
                killed += real_backend.raw("CLIENT", "KILL", "ID", client)  # 0: it was gone already

    killer = threading.Thread(target=kill)
    killer.start()
    replies = []
    try:
        for n in range(2, 400):
            broker.send_commit(
                commit_of(lease, n, logs=[log("r", n, n)], tasks=[task("r", f"s{n}")], settled=[("r", f"s{n - 1}")])
            )
            if n % 7 == 0:
                replies += broker.poll_commits(20)
    finally:
        stop.set()
        killer.join()
    replies += replies_of(broker, 100)
    # Then every commit was applied once, and said so once, in order
    assert killed
    assert [reply.number for reply in replies] == list(range(2, 400))
    assert {reply.status for reply in replies} <= {"applied", "already"}
    assert [e.first for e in broker.load_log(0, "r")] == list(range(2, 400))
    assert broker.queue_depths(["default"])["default"] == (398, 0)
    assert set(broker.load_run(0, "r")) == {"t:s399", "k:s399"}


def test_a_key_of_another_type_changes_nothing(real_backend):
    broker = real_backend.connect()
    lease = lease_of(broker)
    prefix = real_backend.prefix
    rest = {"fields": [("ok", {"x": 1})], "opened": ["ok"], "logs": [log("ok", 1, 1)]}
    wrong = {
        f"{{{prefix}:0}}:log:bad": {"logs": [log("ok", 1, 1), log("bad", 1, 1)]},
        f"{{{prefix}:0}}:run:bad": {"fields": [("ok", {"x": 1}), ("bad", {"x": 1})]},
        f"{prefix}:tasks:bad": {"tasks": [task("ok", "s", pool="bad")]},
        f"{{{prefix}:0}}:timers": {"timers": [("m", 1)]},
        f"{prefix}:ctl": {"ctl": [b"x"]},
    }
    for key, parts in wrong.items():
        real_backend.raw("SET", key, "a string")
        [reply] = settle(broker, commit_of(lease, 1, **{**rest, **parts}))  # type: ignore[dict-item]
        assert reply.status == "diverged"
        assert "WRONGTYPE" in reply.detail
        assert key in reply.detail
        real_backend.raw("DEL", key)
    assert (broker.load_run(0, "ok"), broker.open_runs(0), broker.load_log(0, "ok")) == ({}, [], [])
    real_backend.raw("SET", f"{prefix}:tasks:bad", "a string")
    settle(broker, commit_of(lease, 1, fields=[("ok", {"t:s": "bad 1-1"})]))
    # A withdrawal meets the record only; what lies under the key is not ours
    assert statuses(settle(broker, commit_of(lease, 2, withdrawn=[("ok", "s")]))) == [(2, "applied")]


def test_results_are_not_acknowledged_when_they_cannot_be_stored(real_backend):
    broker = real_backend.connect()
    broker.ensure_pool("a")
    settle(broker, commit_of(lease_of(broker), 1, tasks=[task("r", "s", pool="a")]))
    [taken] = broker.take(["a"], "w", 1, 0)
    real_backend.raw("SET", f"{{{real_backend.prefix}:3}}:inbox", "a string")
    with pytest.raises(ServerError, match="WRONGTYPE"):
        broker.publish([(0, "", b"event"), (3, "", b"result")], [("a", taken.id)])
    assert broker.read_inbox({0: START}, 10, 0) == []
    assert broker.renew("w", [("a", taken.id)]) == {("a", taken.id)}


def test_a_full_server_makes_commits_wait_and_loses_none(own_server):
    broker = connect(own_server.url, create=True, name="test", patience_s=0.2)
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("r", 1, 1)]))
    broker.ensure_pool("a")
    settle(broker, commit_of(lease, 2, tasks=[task("r", "s", pool="a")]))
    [taken] = broker.take(["a"], "w", 1, 0)
    admin: Any = connect(own_server.url, create=True, name="admin")
    # Given a server without memory
    admin._any.call("CONFIG", "SET", "maxmemory", "1")
    for n in (3, 4, 5):
        broker.send_commit(commit_of(lease, n, logs=[log("r", n, n)], settled=[("r", "s")]))
    wait_until(lambda: broker.poll_commits(10) == [] and "OOM" in broker.stalled)
    assert broker.outstanding == 3
    # Then nothing was changed, results are not acknowledged, and held tasks can be renewed
    assert len(broker.load_log(0, "r")) == 1
    assert "t:s" in broker.load_run(0, "r")
    with pytest.raises(BrokerRefuses, match="takes no writes for now: OOM"):
        broker.publish([(0, "", b"result")], [("a", taken.id)])
    with pytest.raises(BrokerRefuses, match="OOM"):
        broker.beat("workers", "w", b"")
    assert broker.renew("w", [("a", taken.id)]) == {("a", taken.id)}
    # When there is memory again, all of it happens, once
    admin._any.call("CONFIG", "SET", "maxmemory", "0")
    assert statuses(replies_of(broker)) == [(3, "applied"), (4, "applied"), (5, "applied")]
    assert broker.stalled == ""
    assert [e.first for e in broker.load_log(0, "r")] == [1, 3, 4, 5]
    broker.publish([(0, "", b"result")], [("a", taken.id)])
    broker.close()
    admin.close()


def test_a_restarted_server_is_found_again(own_server):
    broker = connect(own_server.url, create=True, name="test")
    before = broker.server_id(0)
    lease = lease_of(broker)
    broker.push_inbox(0, "", b"kept")
    settle(broker, commit_of(lease, 1, logs=[log("r", 1, 1)]))
    reader = broker.log_reader(0, "r")
    assert len(reader.read("-", 5, 0)) == 1
    # When the server dies (its file is written at every command) and comes back, with commits under way
    own_server.kill()
    for n in (2, 3):
        broker.send_commit(commit_of(lease, n, logs=[log("r", n, n)]))
    assert broker.poll_commits(5) == []
    assert broker.stalled
    own_server.start()
    # Then everybody reconnects, commits go through once, and the new server shows
    assert statuses(replies_of(broker, 100)) == [(2, "applied"), (3, "applied")]
    assert [e.data for e in broker.read_inbox({0: START}, 10, 0)] == [b"kept"]
    assert [e.first for e in reader.read("-", 5, 0)] == [1, 2, 3]
    assert [e.first for e in broker.load_log(0, "r")] == [1, 2, 3]
    assert broker.server_id(0) not in ("", before)
    assert lease_of(broker).epoch > lease.epoch
    reader.close()
    broker.close()


def test_waits_survive_a_restart(own_server):
    broker = connect(own_server.url, create=True, name="test")

    async def wait_async():
        reader = broker.alog_reader(0, "r")
        try:
            return await reader.read("-", 5, 9_000)
        finally:
            await reader.close()

    lease = lease_of(broker)
    with ThreadPoolExecutor(4) as pool:
        waits = [
            pool.submit(broker.read_inbox, {0: START}, 5, 9_000),
            pool.submit(broker.take, ["a"], "w", 1, 9_000),
            pool.submit(broker.read_ctl, "0-0", 9_000),
            pool.submit(asyncio.run, wait_async()),
        ]
        own_server.kill()
        own_server.start()
        broker.push_inbox(0, "", b"x")
        parts = {"tasks": [task("r", "s", pool="a")], "ctl": [b"x"], "logs": [log("r", 1, 1)]}
        settle(broker, commit_of(lease, 1, **parts))
        assert [len(wait.result(15)) for wait in waits] == [1, 1, 1, 1]  # type: ignore[attr-defined]
    broker.close()


# -- who is let in ---------------------------------------------------------------------------------


def test_no_server_says_so():
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    with pytest.raises(NoBroker) as caught:
        connect(url)
    assert "127.0.0.1" in str(caught.value)
    assert "drumline up" in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(NoBroker, match="scheme"):
        connect("http://localhost")


def test_a_server_that_goes_away_is_reported_after_patience(own_server):
    broker = connect(own_server.url, create=True, patience_s=0.1)
    own_server.kill()
    for verb in (broker.time_ms, broker.log_reader(0, "r").exists, lambda: broker.submit(0, "", b"")):
        with pytest.raises(NoBroker, match=r"127\.0\.0\.1"):
            verb()

    async def read():
        await broker.alog_reader(0, "r").read("-", 1, 0)

    with pytest.raises(NoBroker):
        asyncio.run(read())
    broker.close()


def test_an_evicting_server_is_refused(real_backend):
    real_backend.raw("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(EvictingBroker, match="allkeys-lru"):
            real_backend.connect()
    finally:
        real_backend.raw("CONFIG", "SET", "maxmemory-policy", "noeviction")
    real_backend.connect()


def test_partitions_are_fixed_when_the_cluster_is_created(backend):
    if backend.memory is not None:
        return
    assert backend.connect(partitions=3).partitions == 3
    assert backend.connect().partitions == 3
    with pytest.raises(PartitionMismatch, match="3 partitions, not 4"):
        backend.connect(partitions=4)
    with pytest.raises(ValueError, match="has 1 to"):
        backend.connect(partitions=0)
    backend.raw("HSET", f"{backend.prefix}:meta", "protocol", 99)
    with pytest.raises(ProtocolTooNew):
        backend.connect()


def test_two_who_create_a_cluster_at_once_agree(real_backend):
    def create(n):
        try:
            return real_backend.connect(partitions=n).partitions
        except PartitionMismatch as mismatch:
            return mismatch.stored

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(create, range(1, 9)))
    assert len(found) == 1


@pytest.mark.parametrize("user", ["default", "drum"])
def test_passwords_and_acl_users(real_backend, user):
    with LocalServer(program=_program(real_backend), password="s3cret p@ss") as server:
        assert connect(server.url, create=True).time_ms() > 0
        admin: Any = connect(server.url, create=True)
        if user == "drum":
            admin._any.call(
                *("ACL", "SETUSER", "drum", "on", ">pw", "~drumline:*", "~{drumline:*", "+@all", "-@dangerous"),
                *("+info", "+client|setname"),
            )
            url = f"redis://drum:pw@127.0.0.1:{server.port}/0"
        else:
            url = server.url
        broker = connect(url, create=True)
        settle(broker, commit_of(lease_of(broker), 1, logs=[log("r", 1, 1)]))
        for wrong in (f"redis://127.0.0.1:{server.port}", f"redis://drum:no@127.0.0.1:{server.port}"):
            with pytest.raises(NoBroker) as caught:
                connect(wrong)
            assert "no@" not in str(caught.value)
        if user == "drum":
            # A password that is changed, or a right that is taken away, is said clearly and at once
            admin._any.call("ACL", "SETUSER", "drum", "-time")
            with pytest.raises(NoBroker, match="NOPERM"):
                broker.time_ms()
        broker.close()
        admin.close()


def test_a_server_that_is_too_old_is_refused():
    from drumline_transport.redis_broker import _check_version

    with pytest.raises(NoBroker, match=r"Redis 6\.0\.16; drumline needs 6\.2"):
        _check_version("redis://x", "6.0.16")
    for fine in ("6.2.0", "8.2.3", "", "unknown"):
        _check_version("redis://x", fine)


def test_a_unix_socket(real_backend, tmp_path):
    path = tmp_path / "s"
    with LocalServer(program=_program(real_backend), options=("--unixsocket", str(path))):
        broker = connect(f"unix://{path}", create=True)
        settle(broker, commit_of(lease_of(broker), 1, logs=[log("r", 1, 1)]))
        assert len(broker.load_log(0, "r")) == 1
        broker.close()


def _program(backend):
    from tests.servers import program

    return program(backend.name)


# -- load ------------------------------------------------------------------------------------------


def test_many_threads_may_submit_and_read(real_backend):
    broker = real_backend.connect()
    lease = lease_of(broker)
    settle(broker, commit_of(lease, 1, logs=[log("r", 1, 1)]))

    def use(i):
        broker.submit(0, "", b"%d" % i)
        reader = broker.log_reader(0, "r")
        found = reader.read("-", 5, 0)
        reader.close()
        broker.put_blobs([(0, f"b{i}", b"%d" % i)])
        return len(found) == 1 and blob(broker, 0, f"b{i}") == b"%d" % i

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(use, range(200)))
    sent = {int(e.data) for e in broker.read_inbox({0: START}, 500, 0)}
    assert sent == set(range(200))


def test_big_values_pass_whole(real_backend):
    broker = real_backend.connect()
    lease = lease_of(broker)
    big = bytes(range(256)) * 20_000
    settle(broker, commit_of(lease, 1, logs=[log("r", 1, 1, big)], blobs=[BlobPut("r", "b", big, 60)]))
    broker.push_inbox(0, "", big)
    broker.publish([(0, "", big), (0, "", big)], [])
    assert broker.load_log(0, "r")[0].data == big
    assert blob(broker, 0, "b") == big
    assert [e.data for e in broker.read_inbox({0: START}, 5, 0)] == [big] * 3

    async def read():
        reader = broker.alog_reader(0, "r")
        entries = await reader.read("-", 1, 0)
        await reader.close()
        return entries

    assert asyncio.run(read())[0].data == big
