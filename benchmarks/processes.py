"""The other processes of a benchmark: coordinators, workers, and the peers of the bare Redis loops."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from queue import Empty, SimpleQueue

from benchmarks.relay import Relay
from drumline import Cluster

ROOT = Path(__file__).parents[1]
READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0


class Process:
    """A Python process that says "ready" on stderr. What else it says is kept for when it fails."""

    #: what it reaches the broker through, if anything
    relay: Relay | None = None

    def __init__(self, words: list[str], broker: str) -> None:
        environment = {**os.environ, "DRUMLINE_BROKER": broker}
        self.words = words
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        self._ready: SimpleQueue[bool] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_ready(self) -> None:
        """RuntimeError with its last words if it does not get ready."""
        try:
            if self._ready.get(timeout=READY_TIMEOUT_S):
                return
        except Empty:
            pass
        raise RuntimeError(f"{' '.join(self.words)} did not get ready: {''.join(self.lines[-5:])}")

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            if "ready" in line:
                self._ready.put(True)
        self._ready.put(False)

    def stop(self) -> None:
        """SIGTERM."""
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def close(self) -> None:
        """Stop, and SIGKILL if that does not help. May be called twice."""
        self.stop()
        if self._process.poll() is None:
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()


class ClusterProcesses:
    """Coordinators and workers that serve the graphs of `app`, and a client of them.

    `relayed`: each of these processes reaches the broker through a `Relay` of its own.
    """

    def __init__(self, url: str, app: str, *, relayed: bool = False) -> None:
        self.url = url
        self.app = app
        self.prefix = f"b{uuid.uuid4().hex[:8]}"
        self.client = Cluster(url, prefix=self.prefix)
        self.coordinators: list[Process] = []
        self.workers: list[Process] = []
        self._relayed = relayed

    def start(self, *, workers: int, concurrency: int, coordinators: int = 1, partitions: int | None = None) -> None:
        """Start the roles and return when all of them are ready."""
        more = () if partitions is None else ("--partitions", str(partitions))
        # The first one creates the cluster's keys; the others come up beside each other.
        self._start("coordinator", self.coordinators, *more).await_ready()
        started = [self._start("coordinator", self.coordinators) for _ in range(1, coordinators)]
        started += [self._start("worker", self.workers, "--concurrency", str(concurrency)) for _ in range(workers)]
        for process in started:
            process.await_ready()

    def _start(self, kind: str, among: list[Process], *more: str) -> Process:
        words = ["-m", "drumline.cli.main", kind, "--app", self.app, "--name", f"{kind[0]}{len(among)}"]
        relay = Relay(self.url) if self._relayed else None
        process = Process([*words, "--prefix", self.prefix, *more], self.url if relay is None else relay.url)
        process.relay = relay
        among.append(process)
        return process

    def close(self) -> None:
        """End all of it. May be called twice."""
        self.client.close()
        processes = [*self.coordinators, *self.workers]
        for process in processes:
            process.stop()
        for process in processes:
            process.close()
            if process.relay is not None:
                process.relay.close()


class BarePeer(Process):
    """A process of `benchmarks.bare`: `role` says which."""

    def __init__(self, url: str, role: str) -> None:
        super().__init__(["-m", "benchmarks.bare", role, url], url)
        try:
            self.await_ready()
        except BaseException:
            self.close()
            raise
