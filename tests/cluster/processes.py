"""Real processes of a cluster: started by the command line, known by their pids, killed at will."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import redis
from tests.leftovers import await_nothing_left

from drumline import Cluster

ROOT = Path(__file__).parents[2]

#: leases of test clusters: short, so that a takeover is quick, and long enough for a loaded machine
LEASE_MS = 1000
TASK_LEASE_MS = 1200
#: how long a cluster may take to clear up behind its last run: a lease, a sweep, and what a loaded machine needs
CLEARED_S = 20.0

#: clusters whose processes run
living: list[Processes] = []


@dataclass
class Role:
    """One coordinator or worker process. Its output is kept and shown when a test fails."""

    kind: str
    name: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def kill(self) -> None:
        """SIGKILL: no last word."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Processes:
    """Starts roles and ends all of them in any case. `ready_s`: how long one may take to import its app."""

    def __init__(
        self,
        url: str,
        app: str | Sequence[str],
        *,
        prefix: str = "drumline",
        ready_s: float = 30.0,
        raw: Callable[..., Any] | None = None,
    ) -> None:
        self.url = url
        #: sends a Redis command, where `url` is not that of one server
        self._raw = raw
        self._ready_s = ready_s
        self.prefix = prefix
        self._apps = [app] if isinstance(app, str) else list(app)
        self.roles: dict[str, Role] = {}
        living.append(self)

    def start(self, kind: str, name: str, *args: str) -> Role:
        """Start a role and wait until it says that it is ready."""
        role, ready = self._launch(kind, name, *args)
        self._await_ready(role, ready, self._ready_s)
        return role

    def start_all(self, coordinators: int, workers: int, *worker_args: str) -> None:
        """Start coordinators `c0`, `c1`, ... and workers `w0`, `w1`, ... at once, and wait until all are ready."""
        launched = [self._launch("coordinator", f"c{number}") for number in range(coordinators)]
        launched += [self._launch("worker", f"w{number}", *worker_args) for number in range(workers)]
        for role, ready in launched:
            self._await_ready(role, ready, self._ready_s * len(launched))

    def _launch(self, kind: str, name: str, *args: str) -> tuple[Role, SimpleQueue[bool]]:
        apps = [word for app in self._apps for word in ("--app", app)]
        lease = ["--task-lease-ms", str(TASK_LEASE_MS)]
        if kind == "coordinator":
            lease += ["--lease-ms", str(LEASE_MS)]
        command = [
            sys.executable,
            "-m",
            "drumline.cli.main",
            kind,
            *apps,
            "--name",
            name,
            *lease,
            *args,
        ]
        command += ["--prefix", self.prefix]
        environment = {**os.environ, "DRUMLINE_BROKER": self.url, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        role = Role(kind, name, process)
        self.roles[name] = role
        ready: SimpleQueue[bool] = SimpleQueue()
        threading.Thread(target=self._read, args=(role, ready), daemon=True).start()
        return role, ready

    @staticmethod
    def _await_ready(role: Role, ready: SimpleQueue[bool], patience_s: float) -> None:
        try:
            if ready.get(timeout=patience_s):
                return
        except Empty:
            pass
        raise AssertionError(f"{role.kind} {role.name} did not get ready:\n" + "".join(role.lines))

    @staticmethod
    def _read(role: Role, ready: SimpleQueue[bool]) -> None:
        assert role.process.stderr is not None
        for line in role.process.stderr:
            role.lines.append(line)
            if " ready" in line:
                ready.put(True)
        ready.put(False)

    def by_pid(self, pid: int) -> Role:
        """The role that runs as `pid`."""
        return next(role for role in self.roles.values() if role.process.pid == pid)

    def assert_nothing_left(self) -> None:
        """Ended runs leave their log and their record, with a time to live, and nothing else."""
        if self._raw is not None:
            left = await_nothing_left(self._raw, self.prefix, CLEARED_S)
        else:
            client: Any = redis.Redis.from_url(self.url, protocol=2, socket_timeout=10)
            client.response_callbacks.clear()
            try:
                left = await_nothing_left(client.execute_command, self.prefix, CLEARED_S)
            finally:
                client.close()
        assert not left, "runs that ended left this behind:\n" + "\n".join(left)

    def close(self) -> None:
        """End every process, paused ones too."""
        if self in living:
            living.remove(self)
        for role in self.roles.values():
            if role.process.poll() is None:
                role.process.kill()
        for role in self.roles.values():
            role.process.wait()
            if role.process.stderr is not None:
                role.process.stderr.close()


@contextmanager
def running(
    url: str, app: str, *worker_args: str, prefix: str = "", workers: int = 3, **options: Any
) -> Iterator[tuple[Processes, Cluster]]:
    """A coordinator `c0` and workers `w0`, `w1`, ... of one app, and a client, until the block ends.

    Without a prefix it is a cluster of its own on the server.
    """
    processes = Processes(url, app, prefix=prefix or f"t{uuid.uuid4().hex[:8]}", **options)
    try:
        processes.start_all(1, workers, *worker_args)
        with Cluster(url, prefix=processes.prefix) as client:
            yield processes, client
    finally:
        processes.close()
