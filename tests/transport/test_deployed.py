"""What the verbs do where there are several servers, beyond the contract: who is asked, and one that is away."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.deployments import SERVICE, RedisClusterServers, SentinelServers, client
from tests.servers import newest, program, shared_deployment, wait_until
from tests.transport.commits import commit_of, lease_of, log, replies_of, settle, task

from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys
from drumline_transport import connect
from drumline_transport.broker import START
from drumline_transport.redis_broker import broker_at, install_scripts
from drumline_transport.renewer import Charge
from drumline_transport.renewer_process import RenewerProcess
from drumline_transport.scripts import ALL

LEASE_MS = 60_000


@pytest.fixture
def masters() -> Iterator[RedisClusterServers]:
    made: Any = shared_deployment("cluster3")
    yield made
    for server in made.servers:
        client(server).execute_command("FLUSHALL")


@pytest.fixture
def broker(masters: RedisClusterServers) -> Iterator[Any]:
    made = connect(masters.url, prefix="deployed", create=True, name="test", patience_s=2.0)
    yield made
    made.close()


@pytest.fixture
def own() -> Iterator[tuple[RedisClusterServers, Any]]:
    """Masters that may be killed, and a broker on them that soon gives up."""
    with RedisClusterServers(program(newest())) as made:
        broker = connect(made.url, create=True, name="test", patience_s=0.2)
        yield made, broker
        broker.close()


def leases(broker: Any) -> list[Any]:
    return [lease_of(broker, p) for p in range(broker.partitions)]


def test_a_waiting_worker_takes_from_whichever_partition_has_something(broker: Any) -> None:
    held = leases(broker)
    for number, lease in enumerate(held):
        found: list[Any] = []
        waiting = threading.Thread(target=lambda found=found: found.extend(broker.take(["default"], "w", 1, 10_000)))
        waiting.start()
        settle(broker, commit_of(lease, 1, tasks=[task("r", "s", b"%d" % number)]))
        began = time.monotonic()
        waiting.join(10)
        assert [delivery.data for delivery in found] == [b"%d" % number]
        assert time.monotonic() - began < 5, "it woke, and did not wait to its end"
    assert broker.take(["default"], "w", 1, 0) == []
    assert broker.queue_depths(["default"]) == {"default": (0, broker.partitions)}


def test_a_worker_takes_no_more_than_it_asked_for_and_starves_no_partition(broker: Any) -> None:
    for lease in leases(broker):
        settle(broker, commit_of(lease, 1, tasks=[task("r", f"s{n}", b"%d" % lease.partition) for n in range(4)]))
    taken = []
    for _ in range(broker.partitions):
        found = broker.take(["default"], "w", 2, 1000)
        assert 1 <= len(found) <= 2
        taken += found
    assert len({delivery.data for delivery in taken}) > broker.partitions // 2
    while found := broker.take(["default"], "w", 5, 0):
        assert len(found) <= 5
        taken += found
    assert len(taken) == 4 * broker.partitions == len({delivery.id for delivery in taken})


def test_a_read_that_was_called_off_takes_nothing_when_nobody_looks(broker: Any) -> None:
    held = leases(broker)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.extend(broker.take(["default"], "idle", 1, 10_000)))
    waiting.start()
    settle(broker, commit_of(held[0], 1, tasks=[task("r", "s")]))
    waiting.join(10)
    assert len(found) == 1
    # Then what comes into the other partitions is for whoever asks next
    for lease in held[1:]:
        settle(broker, commit_of(lease, 1, tasks=[task("r", "s")]))
    other = connect(broker._nodes.url, prefix="deployed", name="other")
    taken: list[Any] = []
    while found := other.take(["default"], "other", 8, 0):
        taken += found
    assert len(taken) == broker.partitions - 1
    other.close()


def test_control_messages_of_all_partitions_are_heard_once(broker: Any) -> None:
    held = leases(broker)
    settle(broker, commit_of(held[0], 1, ctl=[b"before"]))
    position, heard = broker.last_ctl(), []
    for lease in held:
        settle(broker, commit_of(lease, 2 if lease is held[0] else 1, ctl=[b"%d" % lease.partition] * 2))
    while found := broker.read_ctl(position, 200):
        position = found[-1][0]
        heard += [data for _, data in found]
    assert sorted(heard) == sorted(b"%d" % p for p in range(broker.partitions) for _ in range(2))
    assert broker.read_ctl(position, 0) == []


def test_closing_ends_every_wait(broker: Any) -> None:
    waits: list[Callable[[], object]] = [
        lambda: broker.take(["default"], "w", 1, 30_000),
        lambda: broker.read_ctl(broker.last_ctl(), 30_000),
        lambda: broker.read_inbox({0: START, 5: START}, 10, 30_000),
        lambda: broker.log_reader(3, "r").read("-", 1, 30_000),
    ]

    def ends(wait: Callable[[], object]) -> None:
        with contextlib.suppress(NoBroker):
            wait()

    threads = [threading.Thread(target=ends, args=(wait,), daemon=True) for wait in waits]
    for thread in threads:
        thread.start()
    threading.Event().wait(0.3)  # whether they wait already does not matter for what they must do
    broker.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_child_of_a_fork_connects_for_itself(broker: Any) -> None:
    held = leases(broker)
    settle(broker, commit_of(held[3], 1, logs=[log("r", 1, 1)], tasks=[task("r", "s")]))
    broker.take(["default"], "parent", 1, 50)
    pid = os.fork()
    if not pid:
        try:
            fine = len(broker.load_log(3, "r")) == 1 and broker.take(["default"], "child", 1, 50) == []
            os._exit(0 if fine else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(broker.load_log(3, "r")) == 1


def test_a_node_of_a_cluster_is_not_taken_for_one_server(masters: RedisClusterServers) -> None:
    with pytest.raises(NoBroker, match=r"part of a Redis Cluster.*redis\+cluster://"):
        connect(masters.servers[0].url, create=True)
    single: Any = shared_deployment("sentinel")
    with pytest.raises(NoBroker, match="is no Redis Cluster"):
        connect(f"redis+cluster://127.0.0.1:{single.servers[0].port}", create=True)


def test_any_node_leads_to_all(masters: RedisClusterServers) -> None:
    for server in masters.servers:
        broker = connect(f"redis+cluster://127.0.0.1:1,127.0.0.1:{server.port}", prefix="any", create=True)
        assert [lease_of(broker, p).partition for p in range(broker.partitions)] == list(range(broker.partitions))
        broker.close()
    for server in masters.servers:
        client(server).execute_command("SCRIPT", "FLUSH")
    assert install_scripts(masters.url) == len(ALL)
    for server in masters.servers:
        known = client(server).execute_command("SCRIPT", "EXISTS", *(script.sha for script in ALL))
        assert known == [1] * len(ALL)


def test_one_master_that_is_away_costs_its_own_partitions(own: tuple[RedisClusterServers, Any]) -> None:
    servers, broker = own
    held = leases(broker)
    keys = Keys()
    away = servers.node_of(keys.lease(0))
    mine = {p for p in range(broker.partitions) if servers.node_of(keys.lease(p)) is away}
    for lease in held:
        settle(broker, commit_of(lease, 1, tasks=[task("r", "s")]))
    taken = []
    while found := broker.take(["default"], "w", 8, 0):
        taken += found
    assert broker.survey("c", b"{}", "A", list(range(broker.partitions)), LEASE_MS).kept == set(
        range(broker.partitions)
    )
    away.kill()
    # The keeper keeps the leases of the others, and does not take long
    look = broker.survey("c", b"{}", "A", list(range(broker.partitions)), LEASE_MS)
    assert look.kept == set(range(broker.partitions)) - mine
    assert look.unserved == mine
    # Whoever runs tasks goes on: of those that lie there nothing is known
    entries = {(delivery.pool, delivery.id) for delivery in taken}
    assert broker.renew("w", list(entries)) == entries
    # What is said reaches the others, though some of it has to wait
    with pytest.raises(NoBroker):
        broker.publish([(p, "r", b"x") for p in range(broker.partitions)], [])
    others = dict.fromkeys(set(range(broker.partitions)) - mine, START)
    assert {entry.partition for entry in broker.read_inbox(others, 10, 0)} == set(others)
    heard: set[int] = set()

    def read() -> bool:
        heard.update(e.partition for e in broker.read_inbox(dict.fromkeys(range(broker.partitions), START), 10, 200))
        return heard == set(others)

    wait_until(read)
    # Commits: nobody waits for those that cannot be sent
    for lease in held:
        broker.send_commit(commit_of(lease, 2))
    replied = {reply.partition for _ in range(50) for reply in broker.poll_commits(100 if broker.outstanding else 0)}
    assert replied == set(others) and broker.outstanding == 0 and "commits wait" in broker.stalled
    # And all of it goes on when it is back
    away.start()
    replied = set()

    def hear() -> bool:
        replied.update(reply.partition for reply in broker.poll_commits(100))
        return replied == mine

    wait_until(hear, 20)
    assert replies_of(broker) == [] and broker.stalled == ""
    wait_until(lambda: broker.survey("c", b"{}", "A", [0], LEASE_MS).kept == {0}, 20)


def test_nobody_is_there(own: tuple[RedisClusterServers, Any]) -> None:
    servers, broker = own
    leases(broker)
    for server in servers.servers:
        server.kill()
    for verb in (
        lambda: broker.survey("c", b"{}", "A", [0], LEASE_MS),
        lambda: broker.renew("w", [("default", "0/1-1")]),
        lambda: broker.read_inbox({0: START, 1: START}, 10, 100),
        lambda: broker.take(["default"], "w", 1, 100),
        lambda: broker.acquire_all([0, 1], "A", LEASE_MS),
        lambda: broker.submit(0, "r", b"x"),
        lambda: connect(servers.url),
    ):
        with pytest.raises(NoBroker):
            verb()


# -- sentinels ---------------------------------------------------------------------------------------


def test_servers_that_want_a_password() -> None:
    with SentinelServers(program(newest()), replicas=1, sentinels=1, password="secret") as servers:
        broker = connect(servers.url, create=True)
        assert lease_of(broker).epoch
        broker.close()
        with pytest.raises(NoBroker, match="wants a password"):
            connect(servers.url.replace(":secret@", ""))


def test_a_sentinel_that_is_away_is_passed_over_and_no_replica_is_taken_for_a_master() -> None:
    servers: Any = shared_deployment("sentinel")
    first, rest = servers.url.partition("://")[2].split(",", 1)
    url = f"redis+sentinel://127.0.0.1:1,{first},{rest}"
    broker = broker_at(url, "p", 2, "test", 2.0)
    assert broker.time_ms() and broker.server_id(0)
    assert f"run_id:{broker.server_id(0)}\r".encode() in client(servers.master()).execute_command("INFO", "server")
    broker.close()
    with pytest.raises(NoBroker, match="name no master"):
        connect(servers.url.replace(SERVICE, "another"), create=True)


def test_a_renewer_keeps_what_its_parent_holds_on_every_master(broker: Any, masters: RedisClusterServers) -> None:
    held = [lease.partition for lease in broker.acquire_all(list(range(broker.partitions)), "N", 600)]
    charge = Charge(os.getpid(), "coordinators", "c", "N", masters.url, "deployed", broker.partitions, 600)
    renewer = RenewerProcess(charge)
    try:
        renewer.tell(b"{}", held)
        # When its parent says nothing more for several leases
        until = broker.time_ms() + 2400
        wait_until(lambda: broker.time_ms() > until)
        assert all(row["owner"] == "N" and row["remaining_ms"] > 0 for row in broker.lease_owners())
        assert set(broker.members("coordinators")) == {"c"}
    finally:
        renewer.close()
