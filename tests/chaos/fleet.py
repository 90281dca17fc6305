"""The cluster under test: a broker, its roles as processes of the command line, their logs in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.bad_graphs import ENDED_BY_NODE
from tests.chaos.proxy import Proxies

from drumline.cli.reaper import Reaper
from drumline_transport.local_server import LocalServer

ROOT = Path(__file__).parents[2]
PREFIX = "chaos"
_READY_S = 60.0
#: what a process says that finds no broker when it starts
_NO_BROKER = "drumline: error: no Redis at"


class Fleet:
    """Two coordinators and four workers; `w0`, `c1` and a client come through proxies.

    A process that ends by itself is started again and told of in `deaths`: none may.
    """

    def __init__(self, program: Path, folder: Path, *, fsync: str, apps: Sequence[str], pace_s: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._apps = [word for app in apps for word in ("--app", app)]
        self._pace_s = pace_s
        self._reaper = Reaper()
        self._lock = threading.Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: set[int] = set()
        self._closing = threading.Event()
        #: ends that nobody here caused
        self.deaths: list[str] = []
        self.ended_by_nodes = 0
        #: starts that found no broker: that is told, and a supervisor's business
        self.started_in_vain = 0
        #: how much of its log a role had written before its present incarnation
        self._said: dict[str, int] = {}
        self.server = LocalServer(program, directory=folder / "broker", options=("--appendfsync", fsync)).start()
        self.proxies = Proxies(self.server.port, ["w0", "c1", "client"])
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    @property
    def roles(self) -> list[str]:
        return ["c0", "c1", "w0", "w1", "w2", "w3"]

    def start(self) -> None:
        """Start all roles, and return when each has said that it is ready."""
        for name in self.roles:
            self._spawn(name)
        self._watcher.start()
        deadline = time.monotonic() + _READY_S
        for name in self.roles:
            while " ready" not in self.log(name):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{name} did not get ready:\n{self.log(name)[-2000:]}")
                time.sleep(0.05)

    def log(self, name: str) -> str:
        """What a role has said, all its incarnations together."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def signal(self, name: str, number: int) -> subprocess.Popen[bytes]:
        """Send a signal to a role as it is now; that incarnation is returned."""
        with self._lock:
            process = self._processes[name]
            process.send_signal(number)
            return process

    def kill(self, name: str) -> None:
        """SIGKILL. Start it again by `restart`."""
        with self._lock:
            process = self._processes[name]
            self._killed.add(process.pid)
            process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        """Start a killed role again."""
        if not self._closing.is_set():
            self._spawn(name)

    def _spawn(self, name: str) -> None:
        kind = "coordinator" if name.startswith("c") else "worker"
        command = [sys.executable, "-m", "drumline.cli.main", kind, *self._apps, "--name", name, "--prefix", PREFIX]
        environment = {
            **os.environ,
            "DRUMLINE_BROKER": self.proxies.urls.get(name, self.server.url),
            "DRUMLINE_CHAOS_PACE_S": str(self._pace_s),
            "PYTHONPATH": str(ROOT),
        }
        self._said[name] = len(self.log(name))
        with self._lock, (self.folder / f"{name}.log").open("ab") as log:
            if self._closing.is_set():
                return
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            self._processes[name] = process
            self._reaper.watch(process.pid)

    def _watch(self) -> None:
        """Start again what ended by itself, and remember that it did."""
        seen: Counter[str] = Counter()
        while not self._closing.wait(0.1):
            for name, process in list(self._processes.items()):
                code = process.poll()
                if code is None or process.pid in self._killed:
                    continue
                self._killed.add(process.pid)
                said = self.log(name)[self._said[name] :]
                if code == ENDED_BY_NODE:
                    self.ended_by_nodes += 1
                elif code == 1 and " ready" not in said and _NO_BROKER in said:
                    self.started_in_vain += 1
                else:
                    seen[name] += 1
                    last = " / ".join(said.strip().splitlines()[-2:])
                    self.deaths.append(f"{name} ended by itself with {code}: {last[-500:]}")
                    if seen[name] > 1:
                        self._closing.wait(1.0)  # it would end again at once
                self._spawn(name)

    def close(self) -> None:
        """End everything; the logs stay."""
        self._closing.set()
        with self._lock:
            for process in self._processes.values():
                process.kill()
        for process in self._processes.values():
            process.wait()
        self.proxies.close()
        self.server.close()
        for path in self.server.directory.iterdir():
            if path != self.server.log_path:  # its data may be large, and says less than the logs
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._reaper.close()
