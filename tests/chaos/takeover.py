"""How long it takes until somebody else goes on with what a killed process held."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import redis

from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.codec import Codec, unbox
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.facts import AttemptRetracted, RunFinished, TaskFailed, TaskFinished, TaskInterrupted
from drumline_protocol.keys import Keys

#: how long a takeover is waited for
PATIENCE_S = 15.0
_GROUP = "workers"


@dataclass(slots=True)
class Takeovers:
    """Seconds from SIGKILL to the fact that takes the task back, and to the next commit of the partition."""

    workers: list[float] = field(default_factory=list)
    coordinators: list[float] = field(default_factory=list)
    #: what was not taken over in time, for the report
    late: list[str] = field(default_factory=list)


def plain_client(url: str) -> Any:
    """A connection whose replies are as the server sends them."""
    client = redis.Redis.from_url(url, protocol=2, socket_timeout=5)
    client.response_callbacks.clear()
    return client


class WorkerWatch:
    """The tasks that a worker holds. Make it while the worker is stopped, kill it, then call `measure`."""

    def __init__(self, url: str, keys: Keys, worker: str, pool: str = "default") -> None:
        self._client = plain_client(url)
        self._codec = Codec(TypeTable())
        #: (task, attempt) -> key of its run's log
        self._held: dict[tuple[str, int], str] = {}
        self._after: dict[str, str] = {}
        stream = keys.tasks(pool)
        for entry_id, *_ in self._call("XPENDING", stream, _GROUP, "-", "+", 100, worker):
            for _, fields in self._call("XRANGE", stream, entry_id, entry_id):
                self._add(keys, dict(zip(fields[::2], fields[1::2], strict=True))[b"d"])

    def _call(self, *words: Any) -> Any:
        return self._client.execute_command(*words)

    def _add(self, keys: Keys, data: bytes) -> None:
        try:
            message = wire.decode(self._codec, data)
            shared = wire.from_row(unbox(message.shared))
        except (DrumlineError, AttributeError):
            return  # no task: a hostile client put it there
        log = keys.log(shared.partition, shared.run_id)
        self._held[message.task, message.attempt] = log
        if log not in self._after:
            rows = self._call("XREVRANGE", log, "+", "-", "COUNT", 1)
            self._after[log] = rows[0][0].decode() if rows else "0-0"

    def measure(self, killed_s: float, found: Takeovers) -> None:
        """Read the logs until each task was taken back, or its answer turned out to have been on its way."""
        while self._held and time.monotonic() < killed_s + PATIENCE_S:
            logs = sorted(set(self._held.values()))
            reply = self._call("XREAD", "BLOCK", 200, "STREAMS", *logs, *(self._after[log] for log in logs))
            now = time.monotonic()
            for name, rows in reply or ():
                for entry_id, fields in rows:
                    self._after[name.decode()] = entry_id.decode()
                    facts = wire.decode_facts(self._codec, dict(zip(fields[::2], fields[1::2], strict=True))[b"d"])
                    for fact in facts:
                        self._see(fact, name.decode(), now - killed_s, found)
        found.late += [f"task {task}, attempt {attempt}: {log}" for (task, attempt), log in self._held.items()]
        self._client.close()

    def _see(self, fact: Any, log: str, after_s: float, found: Takeovers) -> None:
        if isinstance(fact, AttemptRetracted):
            if self._held.pop((fact.task, fact.attempt), None) is not None:
                found.workers.append(after_s)
        elif isinstance(fact, RunFinished):
            self._held = {held: its for held, its in self._held.items() if its != log}
        elif isinstance(fact, (TaskFinished, TaskFailed, TaskInterrupted)):
            self._held = {held: its for held, its in self._held.items() if held[0] != fact.task}


class CoordinatorWatch:
    """The partitions that a coordinator holds. Make it, kill the coordinator, then call `measure`."""

    def __init__(self, url: str, keys: Keys, coordinator: str) -> None:
        self._client = plain_client(url)
        partitions = int(self._client.execute_command("HGET", keys.meta(), "partitions"))
        self._epochs: dict[str, bytes] = {}
        for lease in map(keys.lease, range(partitions)):
            owner, epoch, _ = self._read(lease)
            if owner and owner.decode().partition("#")[0] == coordinator:
                self._epochs[lease] = epoch

    def _read(self, lease: str) -> Any:
        return self._client.execute_command("HMGET", lease, "owner", "epoch", "commit")

    def measure(self, killed_s: float, found: Takeovers) -> None:
        """Look at the leases until each has a new epoch with a commit in it."""
        while self._epochs and time.monotonic() < killed_s + PATIENCE_S:
            for lease, before in list(self._epochs.items()):
                _, epoch, commit = self._read(lease)
                if epoch != before and int(commit or 0) > 0:
                    found.coordinators.append(time.monotonic() - killed_s)
                    del self._epochs[lease]
            time.sleep(0.005)  # a lease is a hash: nothing tells of its change
        found.late += [f"{lease}: no commit of a new owner" for lease in self._epochs]
        self._client.close()


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` of all lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
