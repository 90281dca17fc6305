"""The ACL users of `deploy/`, on real servers: what each must be able to do, and what it must not."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.docs.acl_matrix import COMMANDS, KEYS, MAY, NOBODY
from tests.docs.guarded import PASSWORDS, SERVERS, Guarded, render
from tests.servers import program

from drumline import Cluster
from drumline.cache.redis import RedisCache
from drumline.store.redis import RedisStore
from drumline_coordinator.apps import Apps
from drumline_coordinator.service import Coordinator
from drumline_protocol.errors import NoBroker, NoCluster
from drumline_protocol.keys import Keys
from drumline_transport import connect
from drumline_transport.backoff import Pause
from drumline_transport.scripts import ALL
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings

from . import deploy_app


@pytest.fixture(scope="module", params=SERVERS)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    started = Guarded(program(request.param), tmp_path_factory.mktemp("acl"), render())
    yield started
    started.close()


@contextlib.contextmanager
def _broker(guarded: Guarded, role: str, name: str) -> Iterator[Any]:
    broker = connect(guarded.url(role), name=name)
    try:
        yield broker
    finally:
        broker.close()


@contextlib.contextmanager
def _worker(guarded: Guarded, name: str, pools: list[str]) -> Iterator[None]:
    """Another worker, as its user, for as long as the block runs."""
    programs = {name: graph.program for name, graph in deploy_app.GRAPHS.items()}
    with _broker(guarded, "worker", name) as broker:
        worker = Worker(broker, Registry(programs), name, WorkerSettings(pools=pools))
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(30)


def wait_until(holds: Callable[[], bool], limit_s: float = 30) -> None:
    """Look until it holds: what others do to a server is told by nothing else."""
    deadline, pause = time.monotonic() + limit_s, Pause()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait()


@pytest.fixture(scope="module")
def served(guarded: Guarded) -> Iterator[Guarded]:
    """The same with a coordinator and a worker, each as its own user."""
    programs = {name: graph.program for name, graph in deploy_app.GRAPHS.items()}
    ready = threading.Semaphore(0)
    brokers = {
        role: connect(guarded.url(role), name=role, create=role == "coordinator") for role in ("coordinator", "worker")
    }
    settings = WorkerSettings(pools=["default", "gpu"])
    roles: list[Any] = [
        Worker(brokers["worker"], Registry(programs), "w1", settings, on_ready=ready.release),
        Coordinator(brokers["coordinator"], Apps(programs), "c1", on_ready=ready.release),
    ]
    threads = [threading.Thread(target=role.run, daemon=True) for role in roles]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert ready.acquire(timeout=30)
    yield guarded
    for role, thread in zip(roles, threads, strict=True):
        role.stop()
        thread.join(30)
        assert not thread.is_alive()


# -- what each user must be able to do --------------------------------------------------------------


def test_a_cluster_runs_with_these_users(served: Guarded) -> None:
    with Cluster(served.url("client")) as cluster:
        graph = cluster.graph("all")
        items = list(graph.stream({"text": "abc"}, stream_mode=["custom", "updates"], subgraphs=True))
        assert ((), "custom", "from gpu") in items
        big = "x" * 200_000  # travels as a blob
        run_id = graph.start({"text": big})
        assert cluster.result(run_id)["length"] == len(big)
        assert list(cluster.join(run_id, stream_mode="values"))[-1]["length"] == len(big)
        assert cluster.status(run_id)["status"] == "done"
        run_id = cluster.graph("wait").start({})
        cluster.cancel(run_id)
        with pytest.raises(Exception, match="cancelled"):
            cluster.result(run_id)


def test_a_client_may_look_around(served: Guarded) -> None:
    """What `drumline ps` and `drumline health` ask."""
    broker = connect(served.url("client"), name="ps")
    try:
        assert set(broker.members("workers")) == {"w1"}
        assert set(broker.members("coordinators")) == {"c1"}
        assert {row["owner"] != "" for row in broker.lease_owners()} == {True}
        assert set(broker.queue_depths(["default", "gpu"])) == {"default", "gpu"}
        assert [broker.open_runs(p) for p in range(broker.partitions)] == [[]] * broker.partitions
        assert broker.graphs() == {}
    finally:
        broker.close()


def test_a_member_that_vanished_long_ago_is_forgotten_by_a_client(served: Guarded) -> None:
    served.raw("worker").hset("drumline:workers", "old", b"1000 {}")
    broker = connect(served.url("client"), name="ps")
    try:
        assert set(broker.members("workers")) == {"w1"}
    finally:
        broker.close()


def test_workers_and_coordinators_may_ask_for_their_health(served: Guarded) -> None:
    for role, kind, name in (("worker", "workers", "w1"), ("coordinator", "coordinators", "c1")):
        broker = connect(served.url(role), name="health")
        try:
            assert name in broker.members(kind)  # type: ignore[arg-type]
        finally:
            broker.close()


def test_an_exporter_looks_and_changes_nothing(served: Guarded) -> None:
    from drumline.metrics.of_cluster import look

    with _broker(served, "exporter", "exporter") as broker:
        found = look(broker)
    assert found["drumline_partitions"][("held",)] == broker.partitions
    assert found["drumline_workers"][("default",)] >= 1


def test_an_exporter_without_a_password_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PASSWORDS, "exporter")
    (line,) = [line for line in render().splitlines() if line.startswith("user exporter ")]
    assert line.startswith("user exporter reset on off ")


def test_a_worker_can_make_the_group_of_its_pool_and_leave(served: Guarded) -> None:
    broker = connect(served.url("worker"), name="w2")
    try:
        assert broker.take(["new"], "w2", 1, 0) == []
        broker.leave("workers", "w2")
    finally:
        broker.close()


def test_health_may_ping_and_no_more(guarded: Guarded) -> None:
    health = guarded.health
    assert health.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        health.get("drumline:meta")


# -- the whole life of runs, each role under its user -------------------------------------------------


def test_the_task_of_a_dead_worker_is_given_to_another(served: Guarded) -> None:
    with Cluster(served.url("client")) as cluster, _broker(served, "worker", "dead") as dead:
        run_id = cluster.graph("lonely").start({"text": "abc"})
        assert len(dead.take(["rare"], "dead", 1, 10_000)) == 1
        with _worker(served, "w2", ["rare"]):
            assert cluster.result(run_id)["length"] == 3


def test_a_renewer_speaks_for_a_busy_worker(served: Guarded) -> None:
    with Cluster(served.url("client")) as cluster, _broker(served, "worker", "busy") as busy:
        run_id = cluster.graph("lonely").start({"text": "abc"})
        [task] = busy.take(["rare"], "busy", 1, 10_000)
        assert busy.renew_all("busy", ["rare"]) == 1
        assert busy.renew("busy", [("rare", task.id)]) == {("rare", task.id)}
        busy.beat("workers", "busy", b"{}")
        busy.leave("workers", "busy")
        cluster.cancel(run_id)


@pytest.mark.parametrize("role", ["worker", "client"])
def test_the_store_may_be_used(served: Guarded, role: str) -> None:
    with RedisStore.from_conn_string(served.url(role)) as store:
        store.put(("a", role), "k", {"n": 1}, ttl=60)
        assert store.search(("a", role), filter={"n": 1})[0].value == {"n": 1}
        assert store.list_namespaces(prefix=("a", role)) == [("a", role)]
        store.delete(("a", role), "k")
        assert store.get(("a", role), "k") is None


def test_a_worker_may_use_a_cache(served: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    cache: RedisCache[int] = RedisCache(served.url("worker"))
    key = (("a",), "k")
    cache.set({key: (1, 60), (("a",), "ever"): (2, None)})
    assert cache.get([key]) == {key: 1}
    cache.clear()
    assert cache.get([key]) == {}
    cache.close()
    assert "passed by" not in caplog.text


def test_a_run_is_deleted(served: Guarded) -> None:
    with Cluster(served.url("client")) as cluster:
        run_id = cluster.graph("all").start({"text": "abc"})
        cluster.result(run_id)
        cluster.delete(run_id)
    assert [key for key in served.admin().scan_iter("*") if run_id.encode() in key] == []


def test_failed_runs_and_entries_that_were_set_aside_are_listed(
    served: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    from drumline.cli.main import main

    with Cluster(served.url("client")) as cluster, _broker(served, "client", "ps") as client:
        with pytest.raises(ValueError, match="of the node"):
            cluster.graph("fails").invoke({})
        served.raw("client").xadd("{drumline:0}:requests", {"r": "", "d": b"junk"})
        served.raw("coordinator").xadd("drumline:tasks:default", {"d": b"junk"})
        served.raw("worker").xadd("{drumline:1}:inbox", {"r": "", "d": b"junk"})
        wait_until(lambda: sum(len(client.dead(p, 9)) for p in range(client.partitions)) == 3)
        assert [run.error for p in range(client.partitions) for run in client.failed(p, 9)] == [
            "ValueError: of the node"
        ]
    where = ("--broker", served.url("client"))
    assert main(["dead", "list", *where]) == 0
    listed = capsys.readouterr().out
    assert "requests" in listed and "inbox" in listed and "tasks:default" in listed
    assert main(["ps", *where]) == 0
    assert "of the node" in capsys.readouterr().out
    assert main(["dead", "drop", "--all", *where]) == 1, "a client may look, and no more"
    assert "NOPERM" in capsys.readouterr().err
    assert main(["dead", "drop", "--all", "--broker", served.url("coordinator")]) == 0
    assert "dropped 3 entries" in capsys.readouterr().out


def test_a_forged_highest_id_holds_no_partition_up(served: Guarded) -> None:
    """A client may give its request any id. Behind the highest one no other client could add anything."""
    raw = served.raw("client")
    for p in range(8):
        raw.execute_command("XADD", f"{{drumline:{p}}}:requests", f"{2**64 - 1}-{2**64 - 1}", "r", "", "d", "junk")
    admin = served.admin()
    wait_until(lambda: not any(admin.exists(f"{{drumline:{p}}}:requests") for p in range(8)))
    with Cluster(served.url("client")) as cluster:
        assert cluster.graph("all").invoke({"text": "abc"})["length"] == 3
    for p in range(8):
        admin.delete(f"{{drumline:{p}}}:dead")


def test_flushed_scripts_are_loaded_again_by_the_coordinator(served: Guarded) -> None:
    admin = served.admin()
    with Cluster(served.url("client")) as cluster:
        for _ in range(5):
            admin.script_flush()
            assert cluster.graph("all").invoke({"text": "abc"})["length"] == 3
    admin.script_flush()
    wait_until(lambda: all(admin.script_exists(*(script.sha for script in ALL))))


def test_scripts_are_installed_by_who_may(served: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    from drumline.cli.main import main

    assert main(["install-scripts", "--broker", served.url("coordinator")]) == 0
    assert f"loaded {len(ALL)} scripts" in capsys.readouterr().out
    for role in ("worker", "client"):
        assert main(["install-scripts", "--broker", served.url(role)]) == 1
        assert "may not load it" in capsys.readouterr().err


# -- what it must not be able to do -----------------------------------------------------------------


def test_the_matrix_has_every_key() -> None:
    made = {name for name, value in vars(Keys).items() if not name.startswith("_") and callable(value)}
    assert {*KEYS} - {"tasks of a partition", "ctl of a partition", "cells"} == made - {"tag", "cells", "record"}


@pytest.mark.parametrize("role", MAY)
def test_users_may_do_no_more_than_they_need(guarded: Guarded, role: str) -> None:
    """Each command on each key, as the server itself judges it."""
    admin = guarded.admin()
    may = {(name.replace("_", " "), key) for key, names in MAY[role].items() for name in names.split()}
    found = {
        (command, name)
        for command, words in COMMANDS.items()
        for name, key in KEYS.items()
        if _may(admin, role, *command.split(), *(key if word == "KEY" else word for word in words))
    }
    assert found == may


@pytest.mark.parametrize("role", PASSWORDS)
def test_nobody_may_harm_the_server(guarded: Guarded, role: str) -> None:
    admin = guarded.admin()
    assert [command for command in NOBODY if _may(admin, role, *command)] == []
    for script in (("SCRIPT", "LOAD", "x"), ("SCRIPT", "EXISTS", "x")):
        assert _may(admin, role, *script) == (role == "coordinator")


def test_a_coordinator_reads_no_tasks_as_workers_do(guarded: Guarded) -> None:
    words = ("XREADGROUP", "GROUP", "workers", "me", "STREAMS", KEYS["tasks"], ">")
    assert not _may(guarded.admin(), "coordinator", *words)


def _may(admin: redis.Redis, role: str, *command: str) -> bool:
    admin.response_callbacks.clear()
    return bool(admin.execute_command("ACL", "DRYRUN", role, *command) == b"OK")


def test_a_script_gives_a_worker_no_rights_of_its_own(served: Guarded) -> None:
    """What a script calls is checked against its caller."""
    sha = served.raw("coordinator").script_load(f"return redis.call('HSET', '{KEYS['run']}', 'status', 'done')")
    with pytest.raises(redis.exceptions.ResponseError, match=r"ACL|NOPERM|permission|can't run"):
        served.raw("worker").evalsha(sha, 0)
    assert served.raw("coordinator").exists(KEYS["run"]) == 0


def test_nobody_gets_in_without_a_name(guarded: Guarded) -> None:
    with pytest.raises(NoBroker):
        connect(f"redis://127.0.0.1:{guarded.port}/0")
    with pytest.raises(NoBroker):
        connect(f"redis://client:wrong@127.0.0.1:{guarded.port}/0")


def test_only_a_coordinator_creates_a_cluster(tmp_path: Path) -> None:
    guarded = Guarded(program("valkey9"), tmp_path, render("fresh"))
    try:
        for role in ("client", "worker"):
            with pytest.raises(NoCluster):
                connect(guarded.url(role), prefix="fresh")
            with pytest.raises(NoBroker, match="NOPERM"):
                connect(guarded.url(role), prefix="fresh", create=True)
        connect(guarded.url("coordinator"), prefix="fresh", create=True).close()
        connect(guarded.url("client"), prefix="fresh").close()
    finally:
        guarded.close()


def test_the_acl_file_holds_no_password() -> None:
    text = render()
    assert not [password for password in PASSWORDS.values() if password in text]
    assert "@" not in text
