"""A Redis Cluster behind the verbs: a broker for the slot of each partition, and for each key that is of no partition.

Every part does with its slot what a broker does with a server, over connections of its own, so all that is said of lost
connections, refusals and repeats holds for each slot by itself. Here is what goes to several of them at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from drumline_protocol.cells import CellRow
from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys, PartitionKeys
from drumline_protocol.wire import VERSION
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.broker import SWEEP_START, CellRead, Kind, StaleTask
from drumline_transport.measures import Measures, together
from drumline_transport.nodes import Nodes, SlotDialer, slot_of
from drumline_transport.redis_client import RedisClient
from drumline_transport.redis_core import RedisCore
from drumline_transport.redis_keeper import RedisKeeper
from drumline_transport.redis_worker import RedisWorker

T = TypeVar("T")


class Part(RedisKeeper, RedisWorker, RedisClient):
    """All verbs, for one partition."""

    def __init__(self, nodes: Nodes, prefix: str, p: int, partitions: int) -> None:
        keys = PartitionKeys(prefix, p)
        self.dialer = SlotDialer(nodes, slot_of(keys.lease(p)))
        super().__init__(self.dialer, keys, partitions)
        # The keeper goes on to other slots; it comes again in its next turn.
        self._keeper.patience_s = 0.0


class ClusterParts:
    """What all roles share."""

    def __init__(self, nodes: Nodes, keys: Keys, partitions: int) -> None:
        self.partitions = partitions
        self.protocol = VERSION
        self._nodes = nodes
        self._keys = keys
        self._parts: dict[int, Part] = {}
        self._cores: dict[str, RedisCore] = {}
        self._closed = False
        self._lock = threading.Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Nobody in this process holds the lock. The parts drop their connections by themselves."""
        self._lock = threading.Lock()

    def part(self, p: int) -> Part:
        """The broker of a partition's slot."""
        part = self._parts.get(p)
        if part is None:
            with self._lock:
                if self._closed:
                    raise NoBroker(self._nodes.url, "this broker object was closed")
                part = self._parts.get(p)
                if part is None:
                    part = self._parts[p] = Part(self._nodes, self._keys.prefix, p, self.partitions)
        return part

    def core(self, key: str) -> RedisCore:
        """The broker of the slot of a key that is of no partition."""
        core = self._cores.get(key)
        if core is None:
            with self._lock:
                if self._closed:
                    raise NoBroker(self._nodes.url, "this broker object was closed")
                dialer = SlotDialer(self._nodes, slot_of(key))
                core = self._cores[key] = RedisCore(dialer, self._keys, self.partitions)
                core._keeper.patience_s = 0.0
        return core

    def members_core(self, kind: Kind) -> RedisCore:
        """The broker of the list of workers, or of coordinators."""
        return self.core(self._keys.workers() if kind == "workers" else self._keys.coordinators())

    def each(self, partitions: Iterable[int], ask: Callable[[int], T]) -> tuple[dict[int, T], dict[int, NoBroker]]:
        """What these partitions' slots answer, and which are away. Raises `NoBroker` when all are."""
        found: dict[int, T] = {}
        away: dict[int, NoBroker] = {}
        for p in partitions:
            try:
                found[p] = ask(p)
            except NoBroker as error:
                away[p] = error
        if away and not found:
            raise next(iter(away.values()))
        return found, away

    # -- verbs of every role -----------------------------------------------------------------------

    def server_id(self, p: int) -> str:
        return self.part(p).dialer.server_id

    def raise_protocol(self, version: int) -> None:
        self.core(self._keys.meta()).raise_protocol(version)

    def time_ms(self) -> int:
        """The time of one node; the others keep theirs, and leases go by that of their own."""
        return self.core(self._keys.meta()).time_ms()

    def beat(self, kind: Kind, name: str, info: bytes) -> None:
        self.members_core(kind).beat(kind, name, info)

    def leave(self, kind: Kind, name: str) -> None:
        self.members_core(kind).leave(kind, name)

    def members(self, kind: Kind) -> dict[str, tuple[bytes, int]]:
        return self.members_core(kind).members(kind)

    def put_graph(self, name: str, data: bytes) -> None:
        self.core(self._keys.graphs()).put_graph(name, data)

    def graphs(self) -> dict[str, bytes]:
        return self.core(self._keys.graphs()).graphs()

    def assistants(self) -> dict[str, bytes]:
        return self.core(self._keys.assistants()).assistants()

    def assistant(self, assistant: str) -> bytes | None:
        return self.core(self._keys.assistants()).assistant(assistant)

    def swap_assistant(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        return self.core(self._keys.assistants()).swap_assistant(assistant, was, data)

    def queue_depths(self, pools: list[str]) -> dict[str, tuple[int, int]]:
        found, _ = self.each(range(self.partitions), lambda p: self.part(p).queue_depths(pools))
        depths = {}
        for pool in pools:
            rows = [row[pool] for row in found.values()]
            depths[pool] = (sum(waiting for waiting, _ in rows), sum(pending for _, pending in rows))
        return depths

    def measure(self, pools: list[str]) -> Measures:
        found, _ = self.each(range(self.partitions), lambda p: self.part(p).measure_some([p], pools))
        return together(found.values())

    def read_values(
        self, p: int, cells: list[CellRead], blobs: list[str]
    ) -> tuple[list[list[CellRow]], list[bytes | None]]:
        return self.part(p).read_values(p, cells, blobs)

    def push_inbox(self, p: int, run_id: str, data: bytes) -> None:
        self.part(p).push_inbox(p, run_id, data)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        for part in [*self._parts.values(), *self._cores.values()]:
            part.close()
        self._nodes.close()


# -- entries of task streams ---------------------------------------------------------------------------


def entry_name(p: int, entry_id: str) -> str:
    """The id of a task entry as this broker gives it out: with the partition in whose stream it lies."""
    return f"{p}/{entry_id}"


def entry_place(name: str) -> tuple[int, str] | None:
    """Partition and id in that partition's stream. None for what `entry_name` did not make."""
    p, slash, entry_id = name.partition("/")
    return (int(p), entry_id) if slash and p.isdecimal() else None


def sweep_parts(
    partitions: int, cursor: str, count: int, look: Callable[[int, str, int], tuple[list[StaleTask], str]]
) -> tuple[list[StaleTask], str]:
    """Stale tasks of one partition after the other, at most `count`; the cursor says where that goes on.

    `look(partition, cursor in there, how many)` gives those of one partition, and its cursor.
    """
    first, _, inner = cursor.partition("/") if cursor != SWEEP_START else ("0", "", SWEEP_START)
    stale: list[StaleTask] = []
    for p in range(int(first), partitions):
        found, inner = look(p, inner, count - len(stale))
        stale += [replace(task, id=entry_name(p, task.id)) for task in found]
        if len(stale) >= count:
            if inner != SWEEP_START:
                return stale, f"{p}/{inner}"
            return stale, f"{p + 1}/{SWEEP_START}" if p + 1 < partitions else SWEEP_START
        inner = SWEEP_START
    return stale, SWEEP_START


def by_partition(entries: Iterable[tuple[str, str]]) -> dict[int, list[tuple[str, str]]]:
    """`(pool, entry)`s by their partitions, with the ids that they have there."""
    found: dict[int, list[tuple[str, str]]] = {}
    for pool, name in entries:
        place = entry_place(name)
        if place is not None:
            found.setdefault(place[0], []).append((pool, place[1]))
    return found


def named_record(p: int, record: dict[str, bytes]) -> dict[str, bytes]:
    """A run record whose task entries have the names that this broker gives them."""
    for field, value in record.items():
        if field.startswith("t:"):
            pool, space, entry_id = value.rpartition(b" ")
            record[field] = pool + space + b"%d/" % p + entry_id
    return record
