"""What `deploy/` holds does what it says: the ACL users on real servers, redis.conf, the compose file's structure."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.servers import program

from drumline import Cluster
from drumline_coordinator.apps import Apps
from drumline_coordinator.service import Coordinator
from drumline_protocol.errors import NoBroker, NoCluster
from drumline_transport import connect
from drumline_transport.local_server import free_port
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings

from . import deploy_app

DEPLOY = Path(__file__).parents[2] / "deploy"
PASSWORDS = {role: f"pass-of-{role}" for role in ("coordinator", "worker", "client")}

#: servers that know selectors and %R~; 6.2 does not
SERVERS = ["redis8", "valkey9"]


def render(prefix: str = "drumline") -> str:
    """The ACL file, made by the script that compose uses."""
    environment = {f"DRUMLINE_{role.upper()}_PASSWORD": password for role, password in PASSWORDS.items()}
    return subprocess.run(
        ["sh", str(DEPLOY / "render-acl.sh"), str(DEPLOY / "users.acl.template")],
        env={"PATH": os.environ["PATH"], "DRUMLINE_PREFIX": prefix, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


class Guarded:
    """A server started as compose starts it: with redis.conf, and (but on 6.2) with the users of the template."""

    def __init__(self, server: Path, folder: Path, acl: str | None) -> None:
        self.port = free_port()
        words = [str(server), str(DEPLOY / "redis.conf"), "--dir", str(folder), "--port", str(self.port)]
        words += ["--bind", "127.0.0.1"]
        if acl is not None:
            (folder / "users.acl").write_text(acl, encoding="utf-8")
            words += ["--aclfile", str(folder / "users.acl")]
        self._log = (folder / "server.log").open("w+b")
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        self.health = redis.Redis(
            port=self.port, protocol=2, **({} if acl is None else {"username": "health", "password": "none"})
        )
        self._await_ready()

    def _await_ready(self) -> None:
        for _ in range(1000):
            try:
                self.health.ping()
                return
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                if self._process.poll() is not None:
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.01)
        self._log.seek(0)
        raise AssertionError(f"the server did not start:\n{self._log.read().decode()}")

    def url(self, role: str | None = None) -> str:
        login = "" if role is None else f"{role}:{PASSWORDS[role]}@"
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def raw(self, role: str | None = None) -> redis.Redis:
        return redis.Redis.from_url(self.url(role), protocol=2, socket_timeout=10)

    def close(self) -> None:
        self.health.close()
        self._process.kill()
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="module", params=SERVERS)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    started = Guarded(program(request.param), tmp_path_factory.mktemp("acl"), render())
    yield started
    started.close()


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


# -- what it must not be able to do -----------------------------------------------------------------

LOG, RUN, LEASE = "{drumline:3}:log:r", "{drumline:3}:run:r", "{drumline:3}:lease"
FORBIDDEN: dict[str, list[tuple[str, ...]]] = {
    "client": [
        ("XADD", LOG, "*", "d", "x"),
        ("DEL", LOG),
        ("XTRIM", LOG, "MAXLEN", "0"),
        ("HSET", RUN, "status", "done"),
        ("HSET", LEASE, "owner", "me"),
        ("HSET", "drumline:meta", "partitions", "1"),
        ("XREAD", "STREAMS", "{drumline:3}:inbox", "0"),
        ("XADD", "drumline:tasks:default", "*", "d", "x"),
        ("XREADGROUP", "GROUP", "workers", "me", "STREAMS", "drumline:tasks:default", ">"),
        ("XADD", "drumline:ctl", "*", "d", "x"),
        ("HSET", "drumline:workers", "me", "1 {}"),
        ("GET", "{drumline:3}:blob:b"),
        ("EVAL", "return 1", "0"),
        ("SCRIPT", "LOAD", "return 1"),
    ],
    "worker": [
        ("XADD", LOG, "*", "d", "x"),
        ("XRANGE", LOG, "-", "+"),
        ("HGETALL", RUN),
        ("HSET", RUN, "status", "done"),
        ("HSET", LEASE, "owner", "me"),
        ("HSET", "drumline:meta", "partitions", "1"),
        ("XREAD", "STREAMS", "{drumline:3}:inbox", "0"),
        ("XTRIM", "{drumline:3}:inbox", "MAXLEN", "0"),
        ("XADD", "drumline:tasks:default", "*", "d", "x"),
        ("XADD", "drumline:ctl", "*", "d", "x"),
        ("SET", "{drumline:3}:blob:b", "x"),
        ("HSET", "drumline:coordinators", "me", "1 {}"),
        ("EVAL", "return redis.call('HSET', KEYS[1], 'a', 'b')", "1", RUN),
    ],
    "coordinator": [
        ("XADD", "another:inbox", "*", "d", "x"),
        ("GET", "secret"),
        ("EVAL", "return 1", "0"),
        ("XREADGROUP", "GROUP", "workers", "me", "STREAMS", "drumline:tasks:default", ">"),
    ],
}
NOBODY: list[tuple[str, ...]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("SCRIPT", "FLUSH"),
    ("CLIENT", "KILL", "ID", "1"),
    ("MONITOR",),
]


@pytest.mark.parametrize("role", PASSWORDS)
def test_users_may_do_no_more_than_they_need(served: Guarded, role: str) -> None:
    raw = served.raw(role)
    assert [command for command in (*FORBIDDEN[role], *NOBODY) if _may(raw, command)] == []


def _may(raw: redis.Redis, command: tuple[str, ...]) -> bool:
    try:
        raw.execute_command(*command)
    except redis.exceptions.NoPermissionError:
        return False
    return True


def test_a_script_gives_a_worker_no_rights_of_its_own(served: Guarded) -> None:
    """SCRIPT LOAD takes any text, but what it calls is checked against the caller."""
    raw = served.raw("worker")
    sha = raw.script_load(f"return redis.call('HSET', '{RUN}', 'status', 'done')")
    with pytest.raises(redis.exceptions.ResponseError, match=r"ACL|NOPERM|permission|can't run"):
        raw.evalsha(sha, 0)
    assert served.raw("coordinator").exists(RUN) == 0


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


# -- redis.conf -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["redis62", *SERVERS])
def test_a_server_starts_with_redis_conf(name: str, tmp_path: Path) -> None:
    """As an operator would start it, and drumline takes it as it is."""
    started = Guarded(program(name), tmp_path, None)
    try:
        raw = started.raw()
        assert raw.info("memory")["maxmemory_policy"] == "noeviction"
        assert raw.info("memory")["maxmemory"] == 1024**3
        assert raw.info("persistence")["aof_enabled"] == 1
        connect(started.url(), create=True).close()
    finally:
        started.close()


# -- compose.yaml -----------------------------------------------------------------------------------


def _compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: compose.yaml was NOT looked at")
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_compose_has_the_parts_of_a_cluster() -> None:
    services = _compose()["services"]
    assert {"redis", "coordinator", "worker", "worker-gpu"} <= set(services)
    assert services["coordinator"]["deploy"]["replicas"] == 2
    for name, service in services.items():
        assert "ports" not in service, f"{name} publishes a port"
        assert service["restart"] in ("unless-stopped", "no")
        assert "container_name" not in service, f"{name} could not be scaled"
        if name != "client":
            assert service["healthcheck"]["test"]
            assert service["stop_grace_period"]


def test_compose_gives_nodes_time_to_end() -> None:
    for name, service in _compose()["services"].items():
        command = service["command"]
        if "--drain-s" in command:
            drain_s = int(command[command.index("--drain-s") + 1])
            assert int(service["stop_grace_period"].removesuffix("s")) > drain_s, name


def test_compose_commands_are_those_of_the_command_line() -> None:
    from drumline.cli.main import _parser

    for name in ("coordinator", "worker", "worker-gpu", "client"):
        service = _compose()["services"][name]
        _parser().parse_args(service["command"])
        test = service.get("healthcheck", {}).get("test")
        if test is not None:
            _parser().parse_args(test[2:])


def test_compose_names_only_files_that_are_there() -> None:
    for service in _compose()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source


def test_variables_of_compose_are_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"\$\{(\w+)", text))
    given = set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert wanted == given


def test_dockerfile_copies_every_room() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    project = (DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8")
    rooms = set(re.findall(r'^  "(\w+)/drumline', project, re.MULTILINE))
    assert set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE)) == rooms
    assert re.search(r"^USER \d+", text, re.MULTILINE), "runs as root"
