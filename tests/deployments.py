"""Deployments of several servers for tests, on loopback: a Redis Cluster, and a master with replicas and sentinels.

They end with this process, however it ends: each server has a watchdog (`LocalServer`).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from drumline_transport.local_server import LocalServer, free_port
from drumline_transport.nodes import slot_of

#: How long a deployment may take until it agrees with itself.
AGREE_S = 30.0
SLOTS = 16_384
#: As what the sentinels know the master.
SERVICE = "mymaster"


def client(server: LocalServer) -> Any:
    """A plain client of one server, with replies as they come."""
    made = redis.Redis(port=server.port, protocol=2, socket_timeout=10)
    made.response_callbacks.clear()
    return made


def await_true(condition: Callable[[], bool], what: str, timeout_s: float = AGREE_S) -> None:
    """Look until it is so; AssertionError with `what` when it never is. A server that is not there yet is no error."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if condition():
                return
        except (redis.RedisError, OSError):
            pass
        assert time.monotonic() < deadline, f"{what} within {timeout_s:g} s"
        time.sleep(0.02)  # nothing tells when servers have agreed


class Deployment:
    """Servers that are started and ended together."""

    def __init__(self) -> None:
        self.servers: list[LocalServer] = []
        self.folder = Path(tempfile.mkdtemp(prefix="drumline-deployment-"))

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill them all; nothing is left."""
        for server in self.servers:
            server.kill()
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisClusterServers(Deployment):
    """Masters that share the slots evenly, each with so many `replicas`."""

    def __init__(self, program: Path, masters: int = 3, replicas: int = 0, options: Sequence[str] = ()) -> None:
        super().__init__()
        self.masters = masters
        try:
            for number in range(masters * (1 + replicas)):
                words = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"]
                words += ["--cluster-require-full-coverage", "no", *options]
                folder = self.folder / str(number)
                self.servers.append(
                    LocalServer(program, port=_port_with_bus(), directory=folder, options=words).start()
                )
            self._join()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers[: self.masters])

    def _join(self) -> None:
        nodes = [client(server) for server in self.servers]
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < self.masters:
                bounds = [SLOTS * n // self.masters for n in (number, number + 1)]
                node.execute_command("CLUSTER", "ADDSLOTS", *range(*bounds))
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port)
        await_true(lambda: all(self._knows_all(node) for node in nodes), "the nodes know each other")
        ids = [node.execute_command("CLUSTER", "MYID").decode() for node in nodes]
        for number, node in enumerate(nodes[self.masters :]):
            master = ids[number % self.masters]
            await_true(partial(_replicates, node, master), "it replicates")
            await_true(partial(_is_linked, node), "it is linked")
        await_true(
            lambda: all(b"cluster_state:ok" in node.execute_command("CLUSTER", "INFO") for node in nodes), "all is ok"
        )

    def _knows_all(self, node: Any) -> bool:
        info = node.execute_command("CLUSTER", "INFO")
        return f"cluster_known_nodes:{len(self.servers)}\r".encode() in info and b"cluster_state:ok" in info

    def node_of(self, key: str) -> LocalServer:
        """The master that serves a key, by its own word."""
        slot, ports = slot_of(key), {server.port: server for server in self.servers}
        for server in self.servers:
            try:
                for first, last, master, *_ in client(server).execute_command("CLUSTER", "SLOTS"):
                    if first <= slot <= last and ports[master[1]].running():
                        return ports[master[1]]
            except (redis.RedisError, OSError):
                continue
        raise AssertionError(f"nobody serves slot {slot}")

    def raw(self, prefix: str) -> Callable[..., Any]:
        """Sends a Redis command, as an operator would type it, to the node of the key under `prefix` that it names.

        A command without a key goes to all nodes; KEYS and SCAN return the keys of all.
        """

        def send(*words: Any) -> Any:
            key = next((word for word in words[1:] if isinstance(word, str) and prefix in word), None)
            if words[0] == "SCAN":
                return [
                    b"0",
                    [key for server in self.servers if server.running() for key in _scanned(server, words[3])],
                ]
            if key is not None and words[0] != "KEYS":
                return client(self.node_of(key)).execute_command(*words)
            replies = [client(server).execute_command(*words) for server in self.servers if server.running()]
            return [row for reply in replies for row in reply] if words[0] == "KEYS" else replies[0]

        return send

    def move(self, key: str, to: LocalServer, *, during: Callable[[], object] = lambda: None) -> None:
        """Move the slot of a key to another master, key by key as an operator's tool does; call `during` half way."""
        slot, source = slot_of(key), self.node_of(key)
        here, there = client(source), client(to)
        here_id, there_id = (node.execute_command("CLUSTER", "MYID").decode() for node in (here, there))
        there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", here_id)
        here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", there_id)
        keys = here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10_000)
        for number, name in enumerate(keys):
            if number == len(keys) // 2:
                during()
            here.execute_command("MIGRATE", "127.0.0.1", to.port, name, 0, 5000)
        while names := here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            for name in names:
                here.execute_command("MIGRATE", "127.0.0.1", to.port, name, 0, 5000)
        for node in (there, here, *(client(server) for server in self.servers)):
            node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", there_id)


def _replicates(node: Any, master: str) -> bool:
    return bool(node.execute_command("CLUSTER", "REPLICATE", master) == b"OK")


def _is_linked(node: Any) -> bool:
    return b"master_link_status:up" in node.execute_command("INFO", "replication")


def _scanned(server: LocalServer, pattern: Any) -> list[bytes]:
    found: list[bytes] = client(server).execute_command("KEYS", pattern)
    return found


class SentinelServers(Deployment):
    """A master, its replicas, and sentinels that watch it under the name `SERVICE`."""

    def __init__(
        self, program: Path, replicas: int = 2, sentinels: int = 3, options: Sequence[str] = (), password: str = ""
    ) -> None:
        super().__init__()
        self.sentinels: list[LocalServer] = []
        self.password = password
        try:
            for number in range(1 + replicas):
                words = ["--replica-serve-stale-data", "yes", "--repl-diskless-sync-delay", "0", *options]
                if password:
                    words += ["--requirepass", password, "--masterauth", password]
                if number:
                    words += ["--replicaof", "127.0.0.1", str(self.servers[0].port)]
                server = LocalServer(
                    program, directory=self.folder / str(number), password=password or None, options=words
                )
                self.servers.append(server.start())
            await_true(lambda: self._replicas_online(self.servers[0]) == replicas, "the replicas are in step")
            for number in range(sentinels):
                self.sentinels.append(
                    _Sentinel(program, self.folder / f"s{number}", self.servers[0].port, password).start()
                )
            await_true(
                lambda: all(map(self._is_ready, self.sentinels)), "the sentinels know each other and the replicas"
            )
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{login}{places}/{SERVICE}/0"

    def raw(self, prefix: str) -> Callable[..., Any]:  # noqa: ARG002 - of whatever is on the master
        """Sends a Redis command to the master."""
        return lambda *words: self.client(self.master()).execute_command(*words)

    def client(self, server: LocalServer) -> Any:
        """A plain client of one data server."""
        made = redis.Redis(port=server.port, protocol=2, socket_timeout=10, password=self.password or None)
        made.response_callbacks.clear()
        return made

    def _replicas_online(self, server: LocalServer) -> int:
        return int(self.client(server).execute_command("INFO", "replication").count(b"state=online"))

    def _is_ready(self, sentinel: LocalServer) -> bool:
        row = client(sentinel).execute_command("SENTINEL", "MASTER", SERVICE)
        told = dict(zip(row[::2], row[1::2], strict=True))
        others, replicas = len(self.sentinels) - 1, len(self.servers) - 1
        return (int(told[b"num-other-sentinels"]), int(told[b"num-slaves"])) == (others, replicas)

    def master(self) -> LocalServer:
        """The server that the sentinels call the master."""
        for sentinel in self.sentinels:
            found = client(sentinel).execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
            return next(server for server in self.servers if server.port == int(found[1]))
        raise AssertionError("there is no sentinel")

    def replicas(self) -> list[LocalServer]:
        """The others that run."""
        master = self.master()
        return [server for server in self.servers if server is not master and server.running()]

    def freeze_replicas(self) -> None:
        """The replicas stand still: what is written from now on, the master alone has."""
        for server in self.replicas():
            os.kill(server.pid or 0, signal.SIGSTOP)
        # What is sent to one that stands still would wait for it in its socket.
        self.client(self.master()).execute_command("CLIENT", "KILL", "TYPE", "replica")

    def fail_over(self, *, thaw: bool = False) -> LocalServer:
        """Kill the master and wait until another server has taken its place; that one. `thaw` wakes frozen replicas."""
        old = self.master()
        old.kill()
        if thaw:
            for server in self.servers:
                if server.running():
                    os.kill(server.pid or 0, signal.SIGCONT)
        await_true(lambda: self.master() is not old and self._leads(self.master()), "a replica is promoted")
        return self.master()

    def _leads(self, server: LocalServer) -> bool:
        return bool(self.client(server).execute_command("ROLE")[0] == b"master")

    def close(self) -> None:
        for sentinel in self.sentinels:
            sentinel.kill()
            sentinel.close()
        super().close()


class _Sentinel(LocalServer):
    """A sentinel: the same program, with a file of settings that it writes into."""

    def __init__(self, program: Path, folder: Path, master_port: int, password: str) -> None:
        super().__init__(program, port=free_port(), directory=folder)
        folder.mkdir(parents=True)
        lines = [
            *(f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", "daemonize no"),
            f"sentinel monitor {SERVICE} 127.0.0.1 {master_port} 2",
            *(f"sentinel down-after-milliseconds {SERVICE} 500", f"sentinel failover-timeout {SERVICE} 3000"),
        ]
        if password:
            lines.append(f"sentinel auth-pass {SERVICE} {password}")
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def _words(self) -> list[str]:
        return [str(self.program), str(self.directory / "sentinel.conf"), "--sentinel"]


def _port_with_bus() -> int:
    """A free port whose port of the cluster bus, 10,000 higher, is free too."""
    while True:
        port = free_port()
        if port > 65_535 - 10_000:
            port -= 20_000
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        return port
