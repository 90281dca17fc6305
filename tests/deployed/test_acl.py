"""The users of deploy/users.acl.template on a Redis Cluster: each role does there what it has to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.deployments import RedisClusterServers, client
from tests.docs.guarded import PASSWORDS, render
from tests.servers import wait_until
from tests.transport.commits import commit_of, log, settle, task

from drumline_protocol.errors import NoBroker
from drumline_transport import connect
from drumline_transport.broker import START
from drumline_transport.redis_broker import install_scripts


@pytest.fixture
def guarded(three_masters: RedisClusterServers) -> Iterator[RedisClusterServers]:
    """The session's masters with the users of the template beside the default one."""
    lines = [line.split() for line in render().splitlines()]
    users = [words for words in lines if words[1] != "default"]
    for server in three_masters.servers:
        for _, name, *rules in users:
            client(server).execute_command("ACL", "SETUSER", name, *rules)
    yield three_masters
    for server in three_masters.servers:
        client(server).execute_command("ACL", "DELUSER", *(words[1] for words in users))
        client(server).execute_command("FLUSHALL")


def test_each_role_does_its_work(guarded: RedisClusterServers) -> None:
    urls = {role: guarded.url.replace("://", f"://{role}:{password}@") for role, password in PASSWORDS.items()}
    assert install_scripts(urls["coordinator"]) > 10
    coordinator = connect(urls["coordinator"], create=True, name="c")
    worker, asker = connect(urls["worker"], name="w"), connect(urls["client"], name="q")
    partitions = range(coordinator.partitions)
    assert coordinator.survey("c", b"{}", "N", [], 60_000).unusable == {}
    leases = coordinator.acquire_all(list(partitions), "N", 60_000)
    worker.beat("workers", "w", b"{}")
    heard = worker.last_ctl()
    for lease in leases:
        p = lease.partition
        asker.submit(p, "r", b"asked")
        settle(coordinator, commit_of(lease, 1, tasks=[task("r", "s")], logs=[log("r", 1, 1)], ctl=[b"hear"]))
        assert asker.log_reader(p, "r").read("-", 10, 0)
    assert len(coordinator.read_inbox(dict.fromkeys(partitions, START), 10, 0)) == len(leases)
    taken = []
    while len(taken) < len(leases):
        taken += worker.take(["default"], "w", 3, 1000)
    assert worker.renew("w", [(d.pool, d.id) for d in taken]) == {(d.pool, d.id) for d in taken}
    assert worker.renew_all("w", ["default"]) == len(leases)
    assert asker.queue_depths(["default"]) == {"default": (0, len(leases))}
    messages: list[tuple[str, bytes]] = []

    def hear() -> bool:
        messages.extend(worker.read_ctl(messages[-1][0] if messages else heard, 200))
        return len(messages) == len(leases)

    wait_until(hear)
    worker.publish([(p, "r", b"answer") for p in partitions], [(d.pool, d.id) for d in taken])
    assert worker.take(["default"], "w", 3, 50) == [], "a wait on every slot, that is called off"
    assert coordinator.look_at_runs([(p, "r") for p in partitions])
    assert coordinator.sweep_pools({"default": "-"}, 0, 10)["default"].error == ""
    assert set(asker.members("workers")) == {"w"} and set(asker.members("coordinators")) == {"c"}
    assert len(asker.lease_owners()) == len(leases)
    worker.leave("workers", "w")
    # And not the work of another
    for verb in (lambda: worker.submit(0, "r", b"x"), lambda: asker.push_inbox(0, "r", b"x")):
        with pytest.raises(NoBroker, match="NOPERM"):
            verb()
    for broker in (coordinator, worker, asker):
        broker.close()
